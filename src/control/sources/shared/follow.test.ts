import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Reading } from "../../model.ts";
import { follow } from "./follow.ts";

const ok: Reading = { kind: "ok", services: new Map() };

function context() {
  const stopping = new AbortController();
  const logged: string[] = [];
  const log = {
    info: (text: string) => void logged.push(text),
    warn: (text: string) => void logged.push(text),
  };
  return { stopping, logged, context: { signal: stopping.signal, log, retryMs: 1 } };
}

test("follow() turns failures into readings, logs them once and never shows passwords", async () => {
  const { stopping, logged, context: given } = context();
  const ends: boolean[] = [];
  let session = 0;
  const seen: string[] = [];
  for await (const reading of follow("x http://user:hush@host/", given, async function* (signal) {
    signal.addEventListener("abort", () => ends.push(true));
    if (++session <= 2) throw new Error("no luck");
    yield ok;
    if (session === 4) stopping.abort();
  })) {
    seen.push(reading.kind === "error" ? reading.error : "ok");
  }
  assert.deepEqual(seen, ["no luck", "no luck", "ok", "the connection ended", "ok"]);
  assert.deepEqual(logged, [
    "cannot read x http://host/: no luck; keeping what is known",
    "x http://host/ answers again",
    "cannot read x http://host/: the connection ended; keeping what is known",
    "x http://host/ answers again",
  ]);
  assert.equal(ends.length, 4);
});

test("follow() leaves time between readings that cost much to take", async () => {
  const { stopping, context: given } = context();
  const begun = performance.now();
  let count = 0;
  for await (const _ of follow("x", given, async function* () {
    for (;;) yield ok;
  })) {
    await sleep(20);
    if (++count === 3) break;
  }
  stopping.abort();
  assert.ok(performance.now() - begun > 180);
});
