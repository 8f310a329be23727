import { randomFillSync } from "node:crypto";

const shape = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const idBytes = 24;
const pool = Buffer.alloc(idBytes * 128);
let used = pool.length;

/** Whether a `traceparent` is valid and of the version that is known (W3C Trace Context, section 3.2). Later versions may be longer. */
export function isTraceParent(value: string): boolean {
  if (value.length === 55) return shape.test(value);
  return value.length > 55 && value[55] === "-" && !value.startsWith("00") && shape.test(value.slice(0, 55));
}

/** A new trace's `traceparent`, version 00. */
export function newTraceParent(sampled: boolean): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += idBytes;
  // All-zero ids are not allowed; with 64 random bits one does not occur.
  return `00-${pool.toString("hex", at, at + 16)}-${pool.toString("hex", at + 16, at + idBytes)}-${sampled ? "01" : "00"}`;
}
