import assert from "node:assert/strict";
import { test } from "node:test";
import type { FactoryContext } from "../api.ts";
import { StreamInfo } from "../stream-info.ts";
import { writeAccessLogs, type AccessLog } from "./access-log.ts";

test("writeAccessLogs() goes on to the next log when one throws, and says why", () => {
  const errors: string[] = [];
  const lines: number[] = [];
  const context = {
    logger: () => ({ error: (text: string) => void errors.push(text) }),
  } as unknown as FactoryContext;
  const sink = (log: () => void): AccessLog => ({
    filter: undefined,
    sink: { log, flush() {}, reopen() {} },
  });
  const logs = [
    sink(() => {
      throw new Error("no such header map");
    }),
    sink(() => void lines.push(1)),
  ];
  writeAccessLogs(logs, new StreamInfo(), context);
  assert.deepEqual(lines, [1]);
  assert.match(errors[0]!, /^Cannot write an access log line: Error: no such header map/);
});
