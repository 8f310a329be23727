import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempDir } from "../../testing/temp-dir.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { followPolicy, readPolicy } from "./policy-file.ts";

const withTimeout = (ms: number) => `connect_timeout_ms: ${ms}\n`;

test("readPolicy() names file, line and field of each mistake", async () => {
  const file = join(tempDir("policy"), "mesh.yaml");
  const cases: [string, RegExp][] = [
    ["", /it is empty/],
    ["edge:\n  listne: 1.2.3.4:80\n", /line 2: .*unknown field "listne"/],
    ["edge:\n  listen: localhost:80\n", /line 2: edge\.listen: must be IP:PORT/],
    ["edge:\n  listen: 127.0.0.1:99999\n", /line 2: edge\.listen: must be IP:PORT/],
    ["retries:\n  on: conect-failure\n", /line 2: retries\.on: must be of 5xx, /],
    ["sidecar:\n  target_header: content-length\n", /line 2: .*cannot name a service/],
    ["access_log: stderr\n", /line 1: access_log: must be "stdout", "off", "control" or a path/],
    [
      "edge:\n  routes:\n    - { prefix: /a, service: x }\n    - { prefix: /a/, service: y }\n",
      /line 4: edge\.routes\[1\]\.prefix: never used: the earlier route \/a to x takes its paths/,
    ],
    [
      "edge:\n  routes:\n    - { prefix: /, service: x }\n    - { path: /a, service: y }\n",
      /line 4: edge\.routes\[1\]\.path: never used/,
    ],
  ];
  for (const [text, message] of cases) {
    writeFileSync(file, text);
    await assert.rejects(readPolicy(file), message, text);
  }
  writeFileSync(
    file,
    "edge:\n  routes:\n    - { prefix: /a, service: x }\n    - { prefix: /ab, service: y }\n",
  );
  assert.equal((await readPolicy(file)).policy.edge.routes.length, 2);
});

test("followPolicy() sees renamed, rewritten and re-linked files, and keeps the last good one", async (t) => {
  const folder = tempDir("policy");
  const file = join(folder, "mesh.yaml");
  // As Kubernetes mounts a ConfigMap: the file is a link into a folder that is itself a link, swapped on change.
  const version = (name: string, text: string) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "mesh.yaml"), text);
    symlinkSync(name, join(folder, "..next"));
    renameSync(join(folder, "..next"), join(folder, "..data"));
  };
  version("..1", withTimeout(1));
  symlinkSync("..data/mesh.yaml", file);
  const seen: number[] = [];
  const log: string[] = [];
  const stopping = new AbortController();
  const note = (message: string) => void log.push(message);
  const done = followPolicy(
    file,
    { info: note, warn: note },
    stopping.signal,
    ({ policy }) => void seen.push(policy.connect_timeout_ms),
  );
  t.after(async () => {
    stopping.abort();
    await done;
  });
  const took = (ms: number) => waitUntil(`policy ${ms}`, () => seen.at(-1) === ms, 2000);
  await took(1);
  version("..2", withTimeout(2));
  await took(2);
  writeFileSync(join(folder, "new"), withTimeout(3));
  renameSync(join(folder, "new"), file);
  await took(3);
  writeFileSync(file, "");
  await waitUntil("it is refused", () => log.some((line) => line.includes("it is empty; write")));
  writeFileSync(file, withTimeout(4));
  await took(4);
  assert.deepEqual(seen, [1, 2, 3, 4]);
});
