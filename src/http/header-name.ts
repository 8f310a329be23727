// Well-known header names as small integers. 0 stands for every other name.
// A name that is marked "inline" keeps one value: repeats are folded into it with "," as Envoy does
// (source/common/http/header_map_impl.cc, envoy/http/header_map.h); other repeats stay separate lines.

/** Small integer of a well-known header name; 0 for others. */
export type HeaderId = number;

const INLINE =
  "host connection content-length content-type transfer-encoding upgrade te keep-alive proxy-connection expect via " +
  "accept accept-encoding authorization cache-control content-encoding etag grpc-accept-encoding grpc-message grpc-status grpc-timeout " +
  "if-match if-none-match if-modified-since if-unmodified-since if-range last-modified origin referer user-agent vary range date server location " +
  "access-control-request-headers access-control-request-method access-control-request-private-network " +
  "access-control-allow-origin access-control-allow-headers access-control-allow-methods access-control-allow-credentials " +
  "access-control-allow-private-network access-control-expose-headers access-control-max-age " +
  "x-request-id x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-client-cert proxy-status " +
  "x-client-trace-id x-ot-span-context " +
  "x-envoy-attempt-count x-envoy-decorator-operation x-envoy-degraded x-envoy-downstream-service-cluster x-envoy-downstream-service-node " +
  "x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace x-envoy-hedge-on-per-try-timeout " +
  "x-envoy-immediate-health-check-fail x-envoy-internal x-envoy-ip-tags x-envoy-is-timeout-retry x-envoy-max-retries " +
  "x-envoy-original-host x-envoy-original-path x-envoy-original-url x-envoy-overloaded x-envoy-ratelimited x-envoy-retriable-header-names " +
  "x-envoy-retriable-status-codes x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name x-envoy-upstream-canary " +
  "x-envoy-upstream-healthchecked-cluster x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response " +
  "x-envoy-upstream-rq-timeout-ms x-envoy-upstream-service-time x-envoy-upstream-stream-duration-ms";
const REPEATABLE =
  "cookie set-cookie trailer traceparent tracestate x-b3-traceid x-b3-spanid x-b3-sampled www-authenticate accept-language proxy-authorization http2-settings";

const inlineNames = INLINE.split(" ");
/** Name by id; index 0 is "". */
export const HEADER_NAMES: readonly string[] = ["", ...inlineNames, ...REPEATABLE.split(" ")];
const ids = new Map(HEADER_NAMES.map((name, id) => [name, id]));
/** One more than the largest id. */
export const HEADER_ID_COUNT = HEADER_NAMES.length;
/** First id that is not inline. */
const FIRST_REPEATABLE = inlineNames.length + 1;

/** Id of a lower-case name; 0 if it is not well known. Do not call per request with constant names: keep the id. */
export function headerId(name: string): HeaderId {
  return ids.get(name) ?? 0;
}

/** Id of a name that must be well known; throws at module load when it is not, so that a typo cannot hide. */
export function knownHeaderId(name: string): HeaderId {
  const id = headerId(name);
  if (id === 0) throw new Error(`Cannot find header "${name}" among the well-known names`);
  return id;
}

/** Whether repeats of this header fold into one value. */
export function isInlineHeader(id: HeaderId): boolean {
  return id > 0 && id < FIRST_REPEATABLE;
}

const TABLE_SIZE = 4096;
/** Ids by hash; two names never share a place, see `findSeed`. */
const table = new Uint8Array(TABLE_SIZE);
const lengths = new Uint8Array(HEADER_ID_COUNT);
/** All names, one after another in places of equal size. */
const STRIDE = Math.max(...HEADER_NAMES.map(({ length }) => length));
const names = new Uint8Array(HEADER_ID_COUNT * STRIDE);
HEADER_NAMES.forEach((name, id) => {
  lengths[id] = name.length;
  names.set(Buffer.from(name, "latin1"), id * STRIDE);
});
const seed = findSeed();

/** Id of the lower-case name in bytes[start, end), which is not empty. */
export function headerIdOfBytes(bytes: Uint8Array, start: number, end: number): HeaderId {
  const id = table[hash(bytes, start, end - start, seed)]!;
  if (id === 0 || lengths[id] !== end - start) return 0;
  const name = id * STRIDE - start;
  for (let q = start; q < end; q++) if (names[name + q] !== bytes[q]) return 0;
  return id;
}

/** Length and four characters tell all well-known names apart, with the right multiplier. */
function hash(bytes: Uint8Array, start: number, length: number, multiplier: number): number {
  const ends = (bytes[start]! << 8) | bytes[start + length - 1]!;
  const middle = (bytes[start + (length >> 1)]! << 8) | bytes[start + ((length * 3) >> 2)]!;
  return Math.imul((ends << 16) ^ middle ^ (length << 10), multiplier) >>> 20;
}

/** Fills the table; returns the first multiplier with which no two names fall together. */
function findSeed(): number {
  for (let multiplier = 0x9e3779b1; ; multiplier += 2) {
    table.fill(0);
    let id = 1;
    for (; id < HEADER_ID_COUNT; id++) {
      const slot = hash(names, id * STRIDE, lengths[id]!, multiplier);
      if (table[slot] !== 0) break;
      table[slot] = id;
    }
    if (id === HEADER_ID_COUNT) return multiplier;
  }
}
