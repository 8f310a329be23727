import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { startControl } from "../control/control.ts";
import { GrpcChannel } from "../grpc/channel.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { followXds, type FollowXdsOptions, type XdsAnswer } from "./follow-xds.ts";

async function start(t: TestContext) {
  const folder = tempDir("follow-xds");
  const log: string[] = [];
  const note = (text: string) => void log.push(text);
  writeFileSync(
    join(folder, "services.json"),
    JSON.stringify({ services: { users: { instances: [{ ip: "10.0.0.1", port: 1 }] } } }),
  );
  const control = await startControl({ sources: [`file:path=${folder}`], log: { info: note, warn: note } });
  t.after(() => control.close());
  const channel = new GrpcChannel("127.0.0.1", control.xdsPort);
  t.after(() => channel.close());
  const follow = async (more: Partial<FollowXdsOptions>) => {
    const answers: XdsAnswer[] = [];
    const status = await followXds({
      channel,
      authority: "control",
      delta: false,
      types: ["clusters"],
      names: [],
      node: { id: "test", cluster: "edge", metadata: { weft: { view: "edge" } } },
      once: true,
      onResponse: (answer) => answers.push(answer),
      ...more,
    });
    return { answers, status };
  };
  return { follow, log };
}

test("followXds() asks for several types in both protocols", async (t) => {
  const { follow } = await start(t);
  for (const delta of [false, true]) {
    const { answers, status } = await follow({ delta, types: ["listeners", "routes"], names: ["edge"] });
    assert.equal(status.code, 0);
    assert.deepEqual(
      answers
        .flatMap(({ type, resources }) => resources.map(({ name }) => `${type.split(".").at(-1)} ${name}`))
        .sort(),
      ["Listener edge", "RouteConfiguration edge"],
    );
  }
});

test("followXds() rejects with a reason, and tells how a stream ended", async (t) => {
  const { follow, log } = await start(t);
  await follow({ types: ["listeners"], nack: "no, thanks" });
  assert.ok(
    log.some((line) => line.includes("no, thanks")),
    log.join("\n"),
  );
  const { status } = await follow({ node: { id: "x", metadata: { weft: { view: "nobody" } } } });
  assert.equal(status.code, 7);
  assert.match(status.message, /no view for node id "x"/);
  await assert.rejects(follow({ types: ["nope"] }), /Cannot ask for "nope": give clusters/);
});
