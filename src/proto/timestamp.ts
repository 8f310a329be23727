import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { create } from "./registry.ts";

/** A point in time, given in milliseconds since the Unix epoch with fractions, to the nanosecond. */
export function msTimestamp(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  const carry = Math.floor(nanos / 1e9);
  return create("google.protobuf.Timestamp", {
    seconds: BigInt(seconds + carry),
    nanos: nanos - carry * 1e9,
  });
}
