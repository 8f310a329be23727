import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../../base/fake-clock.ts";
import { PoolLog, ServerLog, StreamLog, TextSink } from "../../testing/codec-log.ts";
import {
  block,
  END_HEADERS,
  END_STREAM,
  frame,
  getFields,
  headers,
  indexedBlock,
  PADDED,
  PREFACE,
  settings,
  uint32,
  type FrameName,
} from "../../testing/h2-frames.ts";
import { requestMap, responseMap } from "../../testing/h2-play.ts";
import { H2ClientCodec } from "./client-codec.ts";
import { DEFAULT_H2_CLIENT_OPTIONS, DEFAULT_H2_SERVER_OPTIONS } from "./options.ts";
import { H2ServerCodec } from "./server-codec.ts";

const RUNS = { numRuns: 250 };
const OPTIONS = { initialStreamWindowSize: 300, initialConnectionWindowSize: 65_535 };

/** Lengths of the pieces in which bytes arrive. */
const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });
const streamId = fc.constantFrom(1, 3, 5, 7);
const text = fc.string({ unit: "binary-ascii", maxLength: 80 });

const decent = fc.oneof(
  streamId.map((id) => headers(id, getFields(["x-a", "b"]))),
  streamId.map((id) => headers(id, getFields(["cookie", "c=d"]), 0)),
  streamId.map((id) => frame("HEADERS", END_HEADERS, id, indexedBlock(getFields(["x-b", "c"])))),
  streamId.map((id) => {
    const bytes = block(getFields(["long", "v".repeat(100)]));
    return Buffer.concat([
      frame("HEADERS", END_STREAM, id, bytes.subarray(0, 50)),
      frame("CONTINUATION", END_HEADERS, id, bytes.subarray(50)),
    ]);
  }),
  fc.tuple(streamId, text).map(([id, data]) => frame("DATA", 0, id, data)),
  fc.tuple(streamId, text).map(([id, data]) => frame("DATA", END_STREAM, id, data)),
  fc.tuple(streamId, text).map(([id, data]) => frame("DATA", PADDED, id, `\x03${data}\0\0\0`)),
  streamId.map((id) => headers(id, [["t", "v"]])),
  streamId.map((id) => frame("RST_STREAM", 0, id, uint32(8))),
  fc.tuple(fc.constantFrom(0, 1, 3), fc.nat(500)).map(([id, n]) => frame("WINDOW_UPDATE", 0, id, uint32(n))),
  fc.constantFrom(
    settings({ 4: 20 }),
    settings({ 4: 100 }),
    frame("PING", 0, 0, "12345678"),
    frame(0x99, 0, 0, "?"),
  ),
);
const responses = fc.oneof(
  streamId.map((id) =>
    headers(
      id,
      [
        [":status", "200"],
        ["server", "s"],
      ],
      0,
    ),
  ),
  streamId.map((id) => headers(id, [[":status", "103"]], 0)),
  streamId.map((id) => headers(id, [[":status", "204"]])),
  fc.constantFrom(frame("GOAWAY", 0, 0, uint32(3, 0))),
  decent,
);
const anyFrame = fc
  .tuple(fc.nat(10), fc.nat(255), fc.constantFrom(0, 1, 2, 3, 0x7fff_ffff), text)
  .map(([type, flags, id, payload]) => frame(type as unknown as FrameName, flags, id, payload));

/** Feeds bytes in pieces of these lengths, taken in turn. */
function feedIn(lengths: number[], bytes: Buffer, feed: (b: Buffer, s: number, e: number) => void): void {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + lengths[i % lengths.length]!);
    // A copy per piece: nobody may keep what was lent.
    const piece = Buffer.concat([Buffer.from("?"), bytes.subarray(at, end)]);
    feed(piece, 1, piece.length);
    piece.fill(0x21);
    at = end;
  }
}

function serve(bytes: Buffer, lengths: number[]): { lines: string[]; written: string } {
  const sink = new TextSink();
  const log = new ServerLog();
  log.after = (stream, event) => {
    if (event !== "headers") return;
    log.stream.headers(responseMap(200, [["server", "s"]]), false);
    log.stream.data(Buffer.from("a body of some length"), stream.complete);
  };
  const codec = new H2ServerCodec(
    sink,
    log,
    { ...DEFAULT_H2_SERVER_OPTIONS, ...OPTIONS, overrideStreamErrorOnInvalidHttpMessage: true },
    undefined,
    new FakeClock(),
  );
  feedIn(lengths, bytes, (b, s, e) => codec.feed(b, s, e));
  codec.onConnectionClosed("");
  assert.equal(codec.activeStreams, 0);
  return { lines: log.lines, written: sink.text };
}

function call(bytes: Buffer, lengths: number[]): { lines: string[]; written: string } {
  const sink = new TextSink();
  const lines: string[] = [];
  const codec = new H2ClientCodec(
    sink,
    new PoolLog(lines),
    { ...DEFAULT_H2_CLIENT_OPTIONS, ...OPTIONS },
    undefined,
    new FakeClock(),
  );
  for (let i = 0; i < 3; i++) {
    // Events of a stream stay together: pieces of bodies of several streams join differently.
    const stream = codec.newStream(new StreamLog(lines));
    stream.headers(requestMap(), i !== 1);
  }
  feedIn(lengths, bytes, (b, s, e) => codec.feed(b, s, e));
  codec.onConnectionClosed("");
  return { lines, written: sink.text };
}

describe("H2 codecs", () => {
  for (const [name, play, begin, frames] of [
    ["H2ServerCodec", serve, Buffer.concat([PREFACE, settings()]), decent],
    ["H2ClientCodec", call, settings(), responses],
  ] as const) {
    it(`${name} tells the same however bytes are split`, () => {
      fc.assert(
        fc.property(fc.array(frames, { maxLength: 20 }), pieces, (list, lengths) => {
          const bytes = Buffer.concat([begin, ...list]);
          const whole = play(bytes, [bytes.length]);
          assert.deepEqual(play(bytes, lengths), whole);
          assert.deepEqual(play(bytes, [1]), whole);
        }),
        RUNS,
      );
    });

    it(`${name} tells the same of odd frames too`, () => {
      fc.assert(
        fc.property(fc.array(fc.oneof(frames, anyFrame), { maxLength: 12 }), pieces, (list, lengths) => {
          const bytes = Buffer.concat([begin, ...list]);
          const whole = play(bytes, [bytes.length]);
          assert.deepEqual(play(bytes, lengths), whole);
        }),
        RUNS,
      );
    });
  }

  it("understand each other: what one side writes the other reads", () => {
    const value = fc.stringMatching(/^([!-~]([ -~]{0,20}[!-~])?)?$/);
    const field = fc.tuple(
      fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/).map((name) => `x-${name}`),
      value,
    );
    const message = fc.tuple(
      fc.array(field, { maxLength: 8 }),
      fc.array(text, { maxLength: 3 }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), pieces, (messages, lengths) => {
        const up = new TextSink();
        const down = new TextSink();
        const log = new ServerLog();
        const client = new H2ClientCodec(up, new PoolLog(), DEFAULT_H2_CLIENT_OPTIONS);
        const server = new H2ServerCodec(down, log, DEFAULT_H2_SERVER_OPTIONS);
        const pump = (): void => {
          feedIn(lengths, Buffer.from(up.take(), "latin1"), (b, s, e) => server.feed(b, s, e));
          feedIn(lengths, Buffer.from(down.take(), "latin1"), (b, s, e) => client.feed(b, s, e));
        };
        pump();
        for (const [fields, chunks, trailers] of messages) {
          const answer = new StreamLog();
          const stream = client.newStream(answer);
          const send = (
            sink: typeof stream | typeof log.stream,
            map: ReturnType<typeof requestMap>,
          ): void => {
            sink.headers(map, chunks.length === 0 && !trailers);
            chunks.forEach((chunk, i) =>
              sink.data(Buffer.from(chunk, "latin1"), !trailers && i === chunks.length - 1),
            );
            if (trailers) sink.trailers(responseMap(0, [["t", "v"]]));
          };
          send(stream, requestMap("POST", fields));
          pump();
          const shown = fields.map(([n, v]) => `${n}: ${v}`).join("|");
          const [first, ...rest] = log.lines.splice(0);
          assert.ok(first!.startsWith(`headers POST / http [h] ${shown}`.trimEnd()), first);
          send(log.stream, responseMap(200, fields));
          pump();
          assert.ok(answer.lines[0]!.startsWith(`headers 200 ${shown}`.trimEnd()));
          assert.deepEqual(answer.lines.slice(1), rest);
          assert.equal(answer.complete, true);
          assert.equal(client.activeStreams + server.activeStreams, 0);
        }
      }),
      { numRuns: 150 },
    );
  });
});
