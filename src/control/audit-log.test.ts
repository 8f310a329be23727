import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempDir } from "../testing/temp-dir.ts";
import { AuditLog } from "./audit-log.ts";
import { testEndpoint } from "../testing/test-endpoint.ts";

const { signal } = new AbortController();

test("AuditLog tells what became of services and endpoints", async () => {
  const file = join(tempDir("audit"), "audit.log");
  const audit = new AuditLog({ file });
  audit.services(["users"], new Map([["users", [testEndpoint(1), testEndpoint(2)]]]));
  audit.services(["users"], new Map([["users", [testEndpoint(2, { health: "draining" }), testEndpoint(3)]]]));
  audit.services(["users"], new Map([["users", [testEndpoint(2, { health: "draining" }), testEndpoint(3)]]]));
  audit.services(["users"], new Map());
  const events = await audit.next(0, signal);
  assert.deepEqual(
    events.map(({ index, text }) => `${index} ${text}`),
    [
      "1 users is there, with 2 endpoints",
      "2 10.0.0.1:2 of users changes (draining, weight 1)",
      "3 10.0.0.1:3 joins users (healthy, weight 1)",
      "4 10.0.0.1:1 leaves users",
      "5 users is gone",
    ],
  );
  await audit.close();
  const lines = readFileSync(file, "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    events,
  );
});

test("AuditLog.next() waits for what comes, and gives what is kept", async () => {
  const audit = new AuditLog({ keep: 2 });
  const logged: string[] = [];
  const log = audit.over({ info: (text) => logged.push(text), warn: (text) => logged.push(text) });
  const waiting = audit.next(0, signal);
  log.warn("holding users");
  assert.deepEqual(
    (await waiting).map(({ kind, text }) => [kind, text]),
    [["warning", "holding users"]],
  );
  for (let i = 0; i < 5; i++) log.info(`line ${i}`);
  assert.equal((await audit.next(5, signal)).length, 1);
  assert.ok((await audit.next(0, signal)).length <= 3, "older ones are forgotten");
  assert.equal(logged.length, 6);
  const stopping = new AbortController();
  const nothing = audit.next(6, stopping.signal);
  stopping.abort();
  assert.deepEqual(await nothing, []);
});
