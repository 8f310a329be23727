import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { proxyHeaderV1, proxyHeaderV2 } from "../../src/net/proxy-protocol/write-proxy-header.ts";
import { readProxyHeader } from "../../src/net/proxy-protocol/read-proxy-header.ts";
import { parseClientHello } from "../../src/net/tls/client-hello.ts";
import { fuzz, type FuzzTarget } from "./fuzz.ts";

// What stands at the beginning of connections: PROXY headers and ClientHellos. Nothing may throw or take long, and what is
// found must not depend on how the bytes arrive.

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

const AFTER = Buffer.from("GET / HTTP/1.1\r\n");
const TLV_PARTS = [
  Buffer.from("\r\n\r\n\0\r\nQUIT\n"),
  Buffer.from(" 65536"),
  Buffer.from([0x21, 0x11, 0, 12]),
];
const HELLO_PARTS = [Buffer.from([22, 3, 1, 0, 1]), Buffer.from([0, 0, 0, 16]), Buffer.from([0xff, 0xff])];

describe("first bytes under mutation", () => {
  it("readProxyHeader() never throws, and pieces do not matter", () =>
    fuzz({
      name: "proxy-header",
      seeds: HEADERS.map(withMore),
      parts: TLV_PARTS,
      play: whole(readProxyHeader),
    }));

  it("parseClientHello() never throws, and pieces do not matter", () => {
    const play = whole((bytes) => parseClientHello(bytes, LIMIT));
    fuzz({ name: "client-hello", seeds: HELLOS.map(withMore), parts: HELLO_PARTS, play });
  });
});

function withMore(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, AFTER]);
}

/** Parses all at once, then every beginning: the first verdict that is not "more" must be that of the whole. */
function whole(parse: (bytes: Buffer) => unknown): FuzzTarget["play"] {
  return (bytes) => {
    const all = verdict(parse(bytes));
    let first: unknown = "more";
    for (let length = 1; length <= bytes.length && first === "more"; length++)
      first = verdict(parse(bytes.subarray(0, length)));
    assert.deepEqual(first, bytes.length === 0 ? "more" : all);
    return typeof all === "string" ? `bad ${all}` : `found ${partsOf(all)}`;
  };
}

/** Which parts there are, and how many of each list. */
function partsOf(value: unknown): string {
  if (Array.isArray(value)) return "x".repeat(value.length);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.entries(value)
    .map(([name, part]) => `${name}=${partsOf(part)}`)
    .join();
}

/** A line without an end is known as bad before its end is seen, in other words. */
function verdict(found: unknown): unknown {
  return found === "endless" ? "bad-v1" : found;
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
