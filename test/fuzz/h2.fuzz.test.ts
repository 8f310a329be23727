import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../src/base/fake-clock.ts";
import { H2ClientCodec } from "../../src/http/h2/client-codec.ts";
import { HpackDecoder } from "../../src/http/h2/hpack/decoder.ts";
import { DEFAULT_H2_CLIENT_OPTIONS, DEFAULT_H2_SERVER_OPTIONS } from "../../src/http/h2/options.ts";
import { H2ServerCodec } from "../../src/http/h2/server-codec.ts";
import { PoolLog, ServerLog, StreamLog, TextSink } from "../../src/testing/codec-log.ts";
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

// Mutates a corpus for about three seconds. What a codec tells must not depend on how bytes are split, nothing may throw, no
// stream may stay, and no input may take long. A failure prints the seed: WEFT_FUZZ_SEED=… repeats it.

const BUDGET_MS = 900;
const SLOW_MS = 500;

type Random = (below: number) => number;

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

describe("H2 codecs under mutated bytes", () => {
  const seed = Number(process.env["WEFT_FUZZ_SEED"] ?? Date.now() & 0x7fffffff);

  it("H2ServerCodec never throws or hangs, and splits do not matter", () =>
    fuzz(Buffer.concat([PREFACE, settings()]), SERVER_CORPUS, seed, serve));

  it("H2ClientCodec never throws or hangs, and splits do not matter", () =>
    fuzz(settings(), CLIENT_CORPUS, seed, call));

  it("HpackDecoder never throws or hangs, and stays within its table", () => {
    const random = generator(seed);
    const until = performance.now() + BUDGET_MS;
    while (performance.now() < until) {
      const decoder = new HpackDecoder(4096);
      for (let i = 0; i < 20; i++) {
        const bytes = mutate(i % 2 === 0 ? indexedBlock(getFields(["k", "v"])) : noise(random), random);
        const context = `seed ${seed}, input ${bytes.toString("hex")}`;
        let size = 0;
        const receiver = {
          field: (_: number, name: string, value: string) => void (size += name.length + value.length),
        };
        if (!decoder.decode(bytes, 0, bytes.length, receiver)) break;
        assert.ok(decoder.tableSize <= 4096, context);
        assert.ok(size <= bytes.length * 4096, context);
      }
    }
  });
});

function fuzz(
  begin: Buffer,
  corpus: Buffer[],
  seed: number,
  play: (bytes: Buffer, step: number) => string,
): void {
  const random = generator(seed);
  const until = performance.now() + BUDGET_MS;
  while (performance.now() < until) {
    const frames = Array.from({ length: 1 + random(8) }, () => {
      const bytes = corpus[random(corpus.length)]!;
      return random(3) === 0 ? mutate(bytes, random) : bytes;
    });
    // Now and then the beginning is damaged too.
    const bytes = Buffer.concat([random(20) === 0 ? mutate(begin, random) : begin, ...frames]);
    const context = `seed ${seed}, input ${bytes.toString("hex")}`;
    const started = performance.now();
    try {
      const whole = play(bytes, bytes.length);
      assert.equal(play(bytes, 1), whole);
      assert.equal(play(bytes, 1 + random(16)), whole);
    } catch (error) {
      throw new Error(`H2 codec failed with ${context}`, { cause: error });
    }
    assert.ok(performance.now() - started < SLOW_MS, `slow with ${context}`);
  }
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
    { ...DEFAULT_H2_SERVER_OPTIONS, overrideStreamErrorOnInvalidHttpMessage: true },
    undefined,
    new FakeClock(),
  );
  feed(bytes, step, (piece) => codec.feed(piece, 0, piece.length));
  codec.onEnd();
  assert.equal(codec.activeStreams, 0);
  return log.lines.join("\n") + sink.text;
}

function call(bytes: Buffer, step: number): string {
  const lines: string[] = [];
  const sink = new TextSink();
  const codec = new H2ClientCodec(
    sink,
    new PoolLog(lines),
    DEFAULT_H2_CLIENT_OPTIONS,
    undefined,
    new FakeClock(),
  );
  for (let i = 0; i < 3; i++) {
    const stream = codec.newStream(new StreamLog(lines));
    stream.headers(requestMap(i === 1 ? "POST" : "GET"), i !== 1);
  }
  feed(bytes, step, (piece) => codec.feed(piece, 0, piece.length));
  codec.onEnd();
  assert.equal(codec.activeStreams, 0);
  return lines.join("\n") + sink.text;
}

function feed(bytes: Buffer, step: number, take: (bytes: Buffer) => void): void {
  for (let at = 0; at < bytes.length; at += step) {
    const piece = Buffer.from(bytes.subarray(at, at + step));
    take(piece);
    piece.fill(0x21);
  }
}

function noise(random: Random): Buffer {
  return Buffer.from(Array.from({ length: random(40) }, () => random(256)));
}

function mutate(bytes: Buffer, random: Random): Buffer {
  let out = bytes;
  for (let count = random(3); count >= 0; count--) {
    const at = random(out.length + 1);
    const before = out.subarray(0, at);
    const after = out.subarray(at);
    switch (random(5)) {
      case 0:
        out = Buffer.concat([before, after.subarray(random(4))]);
        break;
      case 1:
        out = Buffer.concat([before, noise(random), after]);
        break;
      case 2:
        out = Buffer.concat([before, Buffer.from([random(256)]), after.subarray(1)]);
        break;
      case 3:
        out = Buffer.from(out);
        if (at < out.length) out[at]! ^= 1 << random(8);
        break;
      default:
        out = Buffer.concat([out, out.subarray(random(out.length + 1))]);
    }
  }
  return out;
}

/** Uniform integers below a bound, the same for the same seed. */
function generator(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
