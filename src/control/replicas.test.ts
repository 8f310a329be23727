import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { GrpcChannel } from "../grpc/channel.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { waitUntil } from "../testing/wait-until.ts";
import { followXds, type FollowXdsOptions, type XdsAnswer } from "../xds/follow-xds.ts";
import { startControl, type ControlPlane } from "./control.ts";

// Several control planes over the same sources.

const TYPES = ["clusters", "listeners"];

/** Services with one instance each, in a file that any number of control planes read. */
class SharedSource {
  readonly folder = tempDir("replicas");

  write(services: Readonly<Record<string, number>>): void {
    const entries = Object.entries(services).map(([name, port]) => [
      name,
      { instances: [{ ip: "10.0.0.1", port }] },
    ]);
    const file = join(this.folder, "services.json");
    writeFileSync(`${file}.tmp`, JSON.stringify({ services: Object.fromEntries(entries) }));
    renameSync(`${file}.tmp`, file);
  }

  async start(t: TestContext): Promise<ControlPlane> {
    const log = { info: () => {}, warn: () => {} };
    const policy = join(this.folder, "mesh.policy");
    writeFileSync(policy, "edge: { listen: '127.0.0.1:80', hosts: { suffixes: [mesh] } }");
    const control = await startControl({ sources: [`file:path=${this.folder}`], mesh: policy, log });
    t.after(() => control.close());
    return control;
  }
}

const asking = {
  authority: "control",
  delta: false,
  types: TYPES,
  names: [],
  node: { id: "edge-1", cluster: "edge", metadata: { weft: { view: "edge" } } },
  once: false,
};

/** A client whose answers a test looks at. */
function follow(t: TestContext, { xdsPort }: ControlPlane, more: Partial<FollowXdsOptions>): XdsAnswer[] {
  const answers: XdsAnswer[] = [];
  const channel = new GrpcChannel("127.0.0.1", xdsPort);
  t.after(() => channel.close());
  const onResponse = (answer: XdsAnswer) => void answers.push(answer);
  void followXds({ ...asking, channel, onResponse, ...more });
  return answers;
}

async function whole(answers: readonly XdsAnswer[]): Promise<void> {
  await waitUntil("each type is answered", () => answers.length === TYPES.length);
}

const contents = (answers: readonly XdsAnswer[]) =>
  answers
    .map(({ type, version, resources }) => ({ type, version, resources }))
    .sort((a, b) => a.type.localeCompare(b.type));

test("control planes over the same sources give the same versions", async (t) => {
  const source = new SharedSource();
  source.write({ users: 1, orders: 2 });
  const [a, b] = [await source.start(t), await source.start(t)];
  for (const delta of [false, true]) {
    const [ofA, ofB] = [follow(t, a, { delta }), follow(t, b, { delta })];
    await Promise.all([whole(ofA), whole(ofB)]);
    assert.deepEqual(contents(ofA), contents(ofB));
    assert.ok(ofA.every(({ version, resources }) => version !== "" && resources.length > 0));
  }
});

test("an incremental client that moves to another control plane is sent only what changes then", async (t) => {
  const source = new SharedSource();
  source.write({ users: 1, orders: 2 });
  const [a, b] = [await source.start(t), await source.start(t)];
  const ofA = follow(t, a, { delta: true, types: ["clusters"] });
  await waitUntil("the first answers", () => ofA.length > 0);
  const known = Object.fromEntries(ofA[0]!.resources.map(({ name, version }) => [name, version]));
  assert.deepEqual(Object.keys(known).sort(), ["orders", "users"]);
  const ofB = follow(t, b, { delta: true, types: ["clusters"], known });
  // What it has would come before what is new.
  source.write({ users: 1, orders: 2, more: 3 });
  await waitUntil("the second answers", () => ofB.length > 0);
  assert.deepEqual(
    ofB.map(({ resources, removed }) => [resources.map(({ name }) => name), removed]),
    [[["more"], []]],
  );
});

test("a control plane that has nothing to serve sends clients to another", async (t) => {
  const log = { info: () => {}, warn: () => {} };
  const control = await startControl({ sources: ["http:url=http://127.0.0.1:1/"], log });
  t.after(() => control.close());
  const channel = new GrpcChannel("127.0.0.1", control.xdsPort);
  t.after(() => channel.close());
  const { code, message } = await followXds({
    ...asking,
    channel,
    onResponse: () => assert.fail("an answer"),
  });
  assert.deepEqual([code, message], [14, "nothing to serve yet: the sources were never read"]);
});
