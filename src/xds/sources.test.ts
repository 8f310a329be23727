import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { FakeClock } from "../base/fake-clock.ts";
import { systemClock } from "../base/clock.ts";
import { create, packNew } from "../proto/registry.ts";
import { TestClusters } from "../testing/test-clusters.ts";
import { decodeResources, rememberingDecoder } from "./decode-resources.ts";
import { watchFile } from "./file-source.ts";
import { watchRest } from "./rest-source.ts";
import type { Any, WatchHandler } from "./source.ts";
import { XDS_TYPES } from "./types.ts";

/** A handler whose calls can be awaited one by one. */
function recorder(): WatchHandler & { next(): Promise<string> } {
  const lines: string[] = [];
  const wanted: ((line: string) => void)[] = [];
  const put = (line: string): void => {
    const want = wanted.shift();
    if (want === undefined) lines.push(line);
    else want(line);
  };
  return {
    onAttempt: () => undefined,
    onResources: (resources, version) => put(`${version}: ${resources.map(({ name }) => name).join(",")}`),
    onFailure: (kind, detail) => put(`${kind}: ${detail}`),
    next: () => {
      const line = lines.shift();
      return line === undefined ? new Promise((resolve) => wanted.push(resolve)) : Promise.resolve(line);
    },
  };
}

async function restServer(
  t: TestContext,
  answer: (path: string, body: Record<string, unknown>, response: http.ServerResponse) => void,
): Promise<number> {
  const server = http.createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => answer(request.url!, JSON.parse(text) as Record<string, unknown>, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function rest(
  t: TestContext,
  port: number,
  clock: FakeClock,
  handler: WatchHandler,
  requestTimeout = 1000,
): void {
  const clusters = new TestClusters();
  clusters.cluster("registry");
  clusters.hosts("registry", [clusters.host(port)]);
  const watch = watchRest(
    {
      type: XDS_TYPES.eds,
      name: "users",
      node: create("envoy.config.core.v3.Node", { id: "n", cluster: "c" }),
      cluster: "registry",
      calls: clusters.clusters.calls,
      clock,
      random: () => 0.5,
      decode: decodeResources,
      refreshDelay: 1000,
      requestTimeout,
    },
    handler,
  );
  t.after(() => {
    watch.close();
    clusters.close();
  });
}

const EDS_TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

test("watchRest() polls with the accepted version, and takes 304 as no change", async (t) => {
  const seen: unknown[] = [];
  let polls = 0;
  const polled: (() => void)[] = [];
  const port = await restServer(t, (path, body, response) => {
    seen.push([path, body["version_info"] ?? "", body["resource_names"]]);
    if (++polls === 2) response.writeHead(304).end();
    else {
      const resources = [
        { "@type": EDS_TYPE, cluster_name: "users" },
        { "@type": EDS_TYPE, cluster_name: "other" },
      ];
      response.end(JSON.stringify({ version_info: `v${polls}`, resources }));
    }
    polled.shift()?.();
  });
  const clock = new FakeClock();
  const handler = recorder();
  rest(t, port, clock, handler);
  assert.equal(await handler.next(), "v1: users");
  await new Promise((resolve) => setImmediate(resolve));
  const second = new Promise<void>((resolve) => polled.push(resolve));
  clock.advance(1499);
  assert.equal(polls, 1);
  clock.advance(1);
  await second;
  while (polls < 3) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    clock.advance(1500);
  }
  assert.equal(await handler.next(), "v3: users");
  assert.deepEqual(seen.slice(0, 3), [
    ["/v3/discovery:endpoints", "", ["users"]],
    ["/v3/discovery:endpoints", "v1", ["users"]],
    ["/v3/discovery:endpoints", "v1", ["users"]],
  ]);
});

test("watchRest() says why it has nothing: no server, bad status, bad JSON, no answer in time", async (t) => {
  const handler = recorder();
  const bodies = ['{"resources": [{"@type": "x"}]}', '{"nope": 1}'];
  const port = await restServer(t, (_path, _body, response) => {
    const body = bodies.shift();
    if (body === undefined) response.writeHead(500).end();
    else response.end(body);
  });
  const clock = new FakeClock();
  rest(t, port, clock, handler);
  assert.match(await handler.next(), /^rejected: Cannot load "registry\/v3\/discovery:endpoints": line 1: /);
  for (const expected of [/^rejected: .*unknown field "nope"/, /^connection: HTTP status 500/]) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    clock.advance(2000);
    assert.match(await handler.next(), expected);
  }
  const silent = await restServer(t, () => undefined);
  const late = recorder();
  rest(t, silent, new FakeClock(), late, 30);
  assert.equal(await late.next(), "connection: no answer within 30 ms");
});

test("watchFile() follows renames and keeps quiet about writes in place", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "weft-file-source-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "cds.yaml");
  const yaml = (version: string, name: string): string =>
    `version_info: "${version}"\nresources:\n- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: ${name}\n`;
  const replace = (text: string): void => {
    writeFileSync(join(directory, "new"), text);
    renameSync(join(directory, "new"), path);
  };
  writeFileSync(path, yaml("1", "a"));
  const handler = recorder();
  const watch = watchFile(
    {
      type: XDS_TYPES.cds,
      name: undefined,
      path,
      watchedDirectory: undefined,
      clock: systemClock,
      decode: decodeResources,
    },
    handler,
  );
  t.after(() => watch.close());
  assert.equal(await handler.next(), "1: a");
  writeFileSync(path, yaml("in place", "b"));
  await new Promise((resolve) => setTimeout(resolve, 60));
  replace(yaml("2", "c"));
  assert.equal(await handler.next(), "2: c");
  replace(`${yaml("3", "c")}  typo: 1\n`);
  assert.match(await handler.next(), /^rejected: Cannot load ".*cds\.yaml": line 5: unknown field "typo"/);
  replace("{ resources:");
  assert.match(await handler.next(), /^unreadable: Cannot load ".*cds\.yaml": line 1: /);
  rmSync(path);
  assert.match(await handler.next(), /^connection: ENOENT/);
  replace(yaml("4", "d"));
  assert.equal(await handler.next(), "4: d");
});

test("rememberingDecoder() decodes what changed only, in whatever order it comes", () => {
  const decode = rememberingDecoder();
  const pack = (name: string, altStatName = ""): Any =>
    packNew("envoy.config.cluster.v3.Cluster", { name, altStatName });
  const before = decode(XDS_TYPES.cds, [pack("a"), pack("b"), pack("c")]);
  const after = decode(XDS_TYPES.cds, [pack("c"), pack("b", "other"), pack("a")]);
  assert.equal(after[0], before[2]);
  assert.equal(after[2], before[0]);
  assert.notEqual(after[1], before[1]);
  assert.equal((after[1]!.message as { altStatName?: string }).altStatName, "other");
});
