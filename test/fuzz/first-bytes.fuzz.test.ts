import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { proxyHeaderV1, proxyHeaderV2 } from "../../src/net/proxy-protocol/write-proxy-header.ts";
import { readProxyHeader } from "../../src/net/proxy-protocol/read-proxy-header.ts";
import { parseClientHello } from "../../src/net/tls/client-hello.ts";

// Mutates what stands at the beginning of connections: PROXY headers and ClientHellos. Nothing may throw or take long, and
// what is found must not depend on how the bytes arrive. WEFT_FUZZ_MS sets the time per parser; a failure prints the seed:
// WEFT_FUZZ_SEED=… repeats it.

const BUDGET_MS = Number(process.env["WEFT_FUZZ_MS"] ?? 700);
const SLOW_MS = 1000;
const LIMIT = 16_384;

const ADDRESSES = { source: { ip: "10.0.0.1", port: 1 }, destination: { ip: "10.0.0.2", port: 65_535 } };
const ADDRESSES6 = { source: { ip: "fd00::1", port: 0 }, destination: { ip: "1:2::3", port: 80 } };
const TLVS = [{ type: 2, value: Buffer.from("a.example") }, { type: 4, value: Buffer.alloc(40) }]; // prettier-ignore

const HEADERS = [
  proxyHeaderV1(ADDRESSES),
  proxyHeaderV1(ADDRESSES6),
  proxyHeaderV1(undefined),
  proxyHeaderV2(ADDRESSES, TLVS),
  proxyHeaderV2(ADDRESSES6, []),
  proxyHeaderV2(undefined, []),
  Buffer.from(`PROXY UNKNOWN ${"x".repeat(90)}\r\n`),
];
/** A ClientHello of OpenSSL for "a.example" with ALPN, and the same in small records. */
const HELLO = clientHello();
const HELLOS = [HELLO, inRecords(HELLO, 7), inRecords(HELLO, 1), HELLO.subarray(0, 60)];

describe("first bytes under mutation", () => {
  const seed = Number(process.env["WEFT_FUZZ_SEED"] ?? Date.now() & 0x7fffffff);

  it("readProxyHeader() never throws, and pieces do not matter", () => fuzz(HEADERS, seed, readProxyHeader));

  it("parseClientHello() never throws, and pieces do not matter", () =>
    fuzz(HELLOS, seed, (bytes) => parseClientHello(bytes, LIMIT)));
});

function fuzz(corpus: readonly Buffer[], seed: number, parse: (bytes: Buffer) => unknown): void {
  for (const bytes of corpus) check(bytes, parse, "corpus");
  const random = randomOf(seed);
  const end = performance.now() + BUDGET_MS;
  for (let round = 0; performance.now() < end; round++) {
    let bytes: Buffer = Buffer.concat([corpus[random(corpus.length)]!, Buffer.from("GET / HTTP/1.1\r\n")]);
    for (let i = random(4); i >= 0; i--) bytes = mutated(bytes, random);
    check(bytes, parse, `WEFT_FUZZ_SEED=${seed}, round ${round}`);
  }
}

/** Parses all at once, then every beginning: the first verdict that is not "more" must be that of the whole. */
function check(bytes: Buffer, parse: (bytes: Buffer) => unknown, where: string): void {
  const start = performance.now();
  const whole = verdict(parse(bytes));
  let first: unknown = "more";
  for (let length = 1; length <= bytes.length && first === "more"; length++)
    first = verdict(parse(bytes.subarray(0, length)));
  assert.deepEqual(first, whole, `${where}: ${bytes.toString("hex")}`);
  assert.ok(performance.now() - start < SLOW_MS, `${where}: slow: ${bytes.toString("hex")}`);
}

/** A line without an end is known as bad before its end is seen, in other words. */
function verdict(found: unknown): unknown {
  return found === "endless" ? "bad-v1" : found;
}

function mutated(bytes: Buffer, random: (below: number) => number): Buffer {
  const at = random(bytes.length);
  const copy = Buffer.from(bytes);
  switch (random(6)) {
    case 0:
      copy[at] = random(256);
      return copy;
    case 1:
      copy[at]! ^= 1 << random(8);
      return copy;
    case 2:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + random(8))]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), Buffer.alloc(random(20), random(256)), copy.subarray(at)]);
    case 4:
      return copy.subarray(0, at + 1);
    default: {
      const end = Math.min(bytes.length, at + random(30));
      return Buffer.concat([copy.subarray(0, end), copy.subarray(at)]);
    }
  }
}

/** A small generator (mulberry32), so that a seed repeats a run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function clientHello(): Buffer {
  const name = Buffer.from("a.example");
  const sni = Buffer.concat([
    u16(0),
    vector(2, vector(2, Buffer.concat([Buffer.from([0]), vector(2, name)]))),
  ]);
  const alpn = Buffer.concat([u16(16), vector(2, vector(2, vector(1, Buffer.from("h2"))))]);
  const extensions = vector(2, Buffer.concat([sni, alpn]));
  const body = Buffer.concat([
    Buffer.from([3, 3]), Buffer.alloc(32, 7), vector(1, Buffer.alloc(32)), vector(2, u16(0x1301)), vector(1, Buffer.from([0])), extensions,
  ]); // prettier-ignore
  return inRecords(Buffer.concat([Buffer.from([22, 3, 1, 0, 0, 1]), vector(3, body)]), 16_000, 5);
}

/** The handshake bytes of a record, cut into records of some length. */
function inRecords(record: Buffer, length: number, header = 5): Buffer {
  const parts: Buffer[] = [];
  for (let at = header; at < record.length; at += length)
    parts.push(Buffer.from([22, 3, 1]), vector(2, record.subarray(at, at + length)));
  return Buffer.concat(parts);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

/** Bytes with their length before them. */
function vector(size: number, bytes: Buffer): Buffer {
  const length = Buffer.alloc(size);
  length.writeUIntBE(bytes.length, 0, size);
  return Buffer.concat([length, bytes]);
}
