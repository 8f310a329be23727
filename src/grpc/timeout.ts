const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** A grpc-timeout ("10S", "250m") in milliseconds; undefined when it is malformed. */
export function parseGrpcTimeout(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * UNITS[unit!]!;
}

const MOST = 99_999_999;
/** From a unit to the next one. */
const LARGER: readonly (readonly [unit: string, factor: number])[] = [["S", 1000], ["M", 60], ["H", 60]]; // prettier-ignore

/** A grpc-timeout of so many milliseconds: at most eight digits, in the smallest unit that they suffice for. */
export function formatGrpcTimeout(ms: number): string {
  let time = Math.ceil(ms);
  let unit = "m";
  for (const [larger, factor] of LARGER) {
    if (time <= MOST) break;
    time = Math.trunc(time / factor);
    unit = larger;
  }
  return `${Math.min(time, MOST)}${unit}`;
}
