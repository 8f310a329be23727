// google.protobuf.Duration and plain milliseconds.
import type { Duration } from "@bufbuild/protobuf/wkt";
import { create } from "./registry.ts";

/** Milliseconds of a duration, with fractions below one millisecond kept. */
export function durationMs(duration: Duration): number;
/** Milliseconds of a duration, or `otherwise` if the field is not set. */
export function durationMs<T>(duration: Duration | undefined, otherwise: T): number | T;
export function durationMs<T>(duration: Duration | undefined, otherwise?: T): number | T | undefined {
  return duration === undefined ? otherwise : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** A duration of so many milliseconds (negative ones too), rounded to nanoseconds. */
export function msDuration(ms: number): Duration {
  if (!Number.isFinite(ms))
    throw new RangeError(`A duration must be a finite number of milliseconds, not ${ms}`);
  const seconds = Math.trunc(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  const carry = Math.trunc(nanos / 1e9);
  return create("google.protobuf.Duration", { seconds: BigInt(seconds + carry), nanos: nanos - carry * 1e9 });
}

const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;
const MAX_SECONDS = 315_576_000_000n;

/** Parses protobuf's JSON form, such as "1.5s" or "-0.25s". Returns undefined if the text is not one or out of range. */
export function parseDuration(text: string): { seconds: bigint; nanos: number } | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const sign = match[1] === "-" ? -1 : 1;
  const seconds = BigInt(match[2]!);
  const nanos = Number((match[3] ?? "").padEnd(9, "0"));
  if (seconds > MAX_SECONDS || (seconds === MAX_SECONDS && nanos > 0)) return undefined;
  return { seconds: BigInt(sign) * seconds, nanos: nanos === 0 ? 0 : sign * nanos };
}
