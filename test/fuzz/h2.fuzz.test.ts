import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../src/base/fake-clock.ts";
import { H2ClientCodec } from "../../src/http/h2/client-codec.ts";
import { HpackDecoder } from "../../src/http/h2/hpack/decoder.ts";
import { DEFAULT_H2_CLIENT_OPTIONS, DEFAULT_H2_SERVER_OPTIONS } from "../../src/http/h2/options.ts";
import { H2ServerCodec } from "../../src/http/h2/server-codec.ts";
import { PoolLog, ServerLog, StreamLog, TextSink } from "../../src/testing/codec-log.ts";
import { METADATA } from "../../src/http/h2/frame/frame-type.ts";
import {
  block,
  END_HEADERS,
  frame,
  getFields,
  headers,
  indexedBlock,
  PADDED,
  PREFACE,
  settings,
  uint32,
} from "../../src/testing/h2-frames.ts";
import { requestMap, responseMap } from "../../src/testing/h2-play.ts";
import { cut } from "./cut.ts";
import { fuzz, inPieces, type FuzzTarget } from "./fuzz.ts";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

// What a codec tells must not depend on how bytes are split, nothing may throw, no stream may stay, and no input may take
// long.

const ALLOWED = { allowMetadata: true, maxMetadataSize: 64 };
const BODY = frame("DATA", 0, 1, "hello");
const SERVER_CORPUS: Buffer[] = [
  headers(1, getFields(["a", "b"])),
  headers(1, getFields(["content-length", "5"]), 0),
  BODY,
  frame("DATA", 1, 1, "end"),
  frame("DATA", PADDED, 1, "\x02hi\0\0"),
  frame("HEADERS", END_HEADERS, 3, indexedBlock(getFields(["cookie", "x=y"]))),
  frame("HEADERS", 5, 5, Buffer.from("828684be58086e6f2d6361636865", "hex")),
  frame("HEADERS", 5, 7, Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex")),
  frame("HEADERS", 1, 9, block(getFields()).subarray(0, 20)),
  frame("CONTINUATION", 4, 9, block(getFields()).subarray(20)),
  headers(1, [["t", "v"]]),
  frame("PRIORITY", 0, 1, "\0\0\0\x03\x10"),
  frame("RST_STREAM", 0, 1, uint32(8)),
  settings({ 1: 100, 3: 2, 4: 10 }),
  settings({ 1: 4096, 4: 70_000 }),
  frame("SETTINGS", 1, 0),
  frame("PING", 0, 0, "12345678"),
  frame("GOAWAY", 0, 0, uint32(1, 0)),
  frame("WINDOW_UPDATE", 0, 0, uint32(1000)),
  frame("WINDOW_UPDATE", 0, 1, uint32(1000)),
  frame(0x20, 0, 0, "unknown"),
  frame(METADATA, 0, 1, "\0\x03k"),
  frame(METADATA, END_HEADERS, 1, "ey\x84\xee:-/"),
  frame(METADATA, END_HEADERS, 1, "\x40\x01a\x01b\xbe"),
];
const CLIENT_CORPUS: Buffer[] = [
  ...SERVER_CORPUS,
  headers(
    1,
    [
      [":status", "200"],
      ["server", "s"],
    ],
    0,
  ),
  headers(
    3,
    [
      [":status", "200"],
      ["content-length", "5"],
    ],
    0,
  ),
  headers(5, [[":status", "100"]], 0),
  headers(5, [[":status", "204"]]),
];
const BLOCKS: Buffer[] = [
  indexedBlock(getFields(["k", "v"])),
  block(getFields(["a", "b"])),
  Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex"),
  // Sizes of the table: none, all, more than is allowed.
  Buffer.from([0x20]),
  Buffer.from([0x3f, 0xe1, 0x1f]),
  Buffer.from([0x3f, 0xe2, 0x1f]),
].map((each) => Buffer.concat([Buffer.from([each.length]), each]));

describe("H2 codecs under mutated bytes", () => {
  it("H2ServerCodec never throws or hangs, and splits do not matter", () =>
    fuzz(frames("h2-server", Buffer.concat([PREFACE, settings()]), SERVER_CORPUS, serve)));

  it("H2ClientCodec never throws or hangs, and splits do not matter", () =>
    fuzz(frames("h2-client", settings(), CLIENT_CORPUS, call)));

  it("HpackDecoder never throws or hangs, and stays within its table", () =>
    fuzz({ name: "hpack", seeds: BLOCKS, parts: BLOCKS, play: decode }));
});

/** A codec under sequences of frames, some of them damaged. */
function frames(
  name: string,
  begin: Buffer,
  parts: readonly Buffer[],
  play: (bytes: Buffer, step: number) => string,
): FuzzTarget {
  const compose = (random: Random): Buffer => {
    const sequence = Array.from({ length: 1 + random(8) }, () => {
      const bytes = parts[random(parts.length)]!;
      return random(3) === 0 ? mutate(bytes, { parts, inputs: parts }, random) : bytes;
    });
    return Buffer.concat([begin, ...sequence]);
  };
  const seeds = parts.map((each) => Buffer.concat([begin, each]));
  return { name, seeds, parts, compose, play: cut(play) };
}

/** Header blocks one after the other, each with a byte for its length before it. */
function decode(bytes: Buffer): string {
  const decoder = new HpackDecoder(4096);
  const told: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at]! % 128;
    const end = Math.min(bytes.length, at + 1 + length);
    let size = 0;
    let count = 0;
    const receiver = {
      field: (_: number, name: string, value: string) => {
        size += name.length + value.length;
        count++;
      },
    };
    const fine = decoder.decode(bytes, at + 1, end, receiver);
    assert.ok(decoder.tableSize <= 4096);
    assert.ok(size <= length * 4096);
    told.push(`${fine ? "fine" : "bad"} ${"f".repeat(Math.min(count, 4))}`);
    if (!fine) break;
    at = end;
  }
  return told.join("\n");
}

function serve(bytes: Buffer, step: number): string {
  const log = new ServerLog();
  const sink = new TextSink();
  log.after = (stream, event) => {
    if (event === "headers" && !stream.complete) log.stream.pause();
    if (event !== "headers") return;
    log.stream.headers(responseMap(200, [["server", "s"]]), false);
    log.stream.data(Buffer.from("a body of some length"), stream.complete);
    log.stream.resume();
  };
  const codec = new H2ServerCodec(
    sink,
    log,
    { ...DEFAULT_H2_SERVER_OPTIONS, ...ALLOWED, overrideStreamErrorOnInvalidHttpMessage: true },
    undefined,
    new FakeClock(),
  );
  inPieces(bytes, step, (piece) => codec.feed(piece, 0, piece.length));
  codec.onEnd();
  assert.equal(codec.activeStreams, 0);
  return `${log.lines.join("\n")}\nwrote ${JSON.stringify(sink.text)}`;
}

function call(bytes: Buffer, step: number): string {
  const lines: string[] = [];
  const sink = new TextSink();
  const codec = new H2ClientCodec(
    sink,
    new PoolLog(lines),
    { ...DEFAULT_H2_CLIENT_OPTIONS, ...ALLOWED },
    undefined,
    new FakeClock(),
  );
  for (let i = 0; i < 3; i++) {
    const stream = codec.newStream(new StreamLog(lines));
    stream.headers(requestMap(i === 1 ? "POST" : "GET"), i !== 1);
  }
  inPieces(bytes, step, (piece) => codec.feed(piece, 0, piece.length));
  codec.onEnd();
  assert.equal(codec.activeStreams, 0);
  return `${lines.join("\n")}\nwrote ${JSON.stringify(sink.text)}`;
}
