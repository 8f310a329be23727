import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  block,
  END_HEADERS,
  frame,
  getFields,
  headers,
  indexedBlock,
  PREFACE,
  settings,
  uint32,
} from "../../testing/h2-frames.ts";
import { ServerLog, TextSink } from "../../testing/codec-log.ts";
import { FakeClock } from "../../base/fake-clock.ts";
import { H2ClientPlay, H2ServerPlay, responseMap } from "../../testing/h2-play.ts";
import { DEFAULT_H2_SERVER_OPTIONS, type H2ServerOptions } from "./options.ts";
import { H2ServerCodec } from "./server-codec.ts";

// What has been used to bring HTTP/2 servers down. Each attack has to end in GOAWAY with ENHANCE_YOUR_CALM (11) or in bounded work.

/** Sends until the connection is over; returns how many pieces that took. */
function flood(play: H2ServerPlay, piece: (i: number) => Buffer, most: number): number {
  for (let i = 0; i < most; i++) {
    play.send(piece(i));
    if (play.log.lines.includes("close protocol-error")) return i + 1;
  }
  return most + 1;
}

function ends(play: H2ServerPlay, detail: string): void {
  assert.match(play.frames().at(-1)!, /^GOAWAY \d+ 11$/);
  const events = play.events();
  assert.equal(events.at(-1), "close protocol-error");
  if (detail !== "")
    assert.ok(
      events.some((line) => line === `reset protocol-error ${detail}`),
      String(events),
    );
}

function withRequest(options: Partial<H2ServerOptions> = {}): H2ServerPlay {
  const play = new H2ServerPlay(options);
  play.send(headers(1, getFields(), 0));
  return play;
}

describe("an HTTP/2 server under attack", () => {
  it("ends rapid reset", () => {
    const play = new H2ServerPlay();
    const rounds = flood(
      play,
      (i) => Buffer.concat([headers(1 + 2 * i, getFields()), frame("RST_STREAM", 0, 1 + 2 * i, uint32(8))]),
      1000,
    );
    assert.equal(rounds, 250);
    ends(play, "");
    assert.equal(play.codec.activeStreams, 0);
  });

  it("ends rapid reset by faults that make us reset", () => {
    const play = new H2ServerPlay();
    const rounds = flood(
      play,
      (i) => {
        const id = 1 + 2 * i;
        return Buffer.concat([headers(id, getFields(), 0), frame("WINDOW_UPDATE", 0, id, uint32(0))]);
      },
      1000,
    );
    assert.ok(rounds <= 250, String(rounds));
    ends(play, "");
  });

  it("ends floods of refused streams", () => {
    const play = new H2ServerPlay({ maxConcurrentStreams: 1 });
    assert.equal(
      flood(play, (i) => headers(1 + 2 * i, getFields()), 1000),
      251,
    );
    ends(play, "http2.too_many_premature_resets");
  });

  it("lets clients reset streams that they have waited for", () => {
    const clock = new FakeClock();
    const play = new H2ServerPlay({}, undefined, clock);
    const rounds = flood(
      play,
      (i) => {
        play.send(headers(1 + 2 * i, getFields()));
        clock.advance(1500);
        return frame("RST_STREAM", 0, 1 + 2 * i, uint32(8));
      },
      600,
    );
    assert.equal(rounds, 601);
  });

  it("ends floods of CONTINUATION frames, small or large", () => {
    for (const size of [1, 16_384]) {
      const play = withRequest();
      const part = block(getFields(["x", "y".repeat(16_000)]));
      play.send(frame("HEADERS", 0, 3, part));
      const rounds = flood(play, () => frame("CONTINUATION", 0, 3, "a".repeat(size)), 1000);
      assert.ok(rounds < 20, String(rounds));
      ends(play, "http2.continuation_flood");
    }
  });

  it("ends floods of empty frames", () => {
    const data = withRequest();
    assert.equal(
      flood(data, () => frame("DATA", 0, 1), 10),
      2,
    );
    ends(data, "http2.inbound_empty_frames_flood");
    const padded = withRequest();
    assert.equal(
      flood(padded, () => frame("DATA", 8, 1, "\0"), 10),
      2,
    );
    const continuation = withRequest();
    continuation.send(frame("HEADERS", 0, 3, block(getFields())));
    assert.equal(
      flood(continuation, () => frame("CONTINUATION", 0, 3), 10),
      2,
    );
    ends(continuation, "http2.inbound_empty_frames_flood");
  });

  it("ends floods of SETTINGS and PING that a client sends without reading", () => {
    for (const piece of [settings({ 4: 1000 }), frame("PING", 0, 0, "12345678")]) {
      const play = withRequest();
      play.sink.full = true;
      const rounds = flood(play, () => piece, 5000);
      assert.ok(rounds > 1000 && rounds < 1010, String(rounds));
      ends(play, "http2.outbound_control_frames_flood");
    }
  });

  it("ends floods of SETTINGS, PING, acknowledgements and unknown frames that a client sends and reads", () => {
    for (const piece of [
      settings(),
      frame("PING", 0, 0, "12345678"),
      frame("PING", 1, 0, "12345678"),
      frame(0x4d, 0, 0),
    ]) {
      const play = withRequest();
      const rounds = flood(play, () => piece, 25_000);
      assert.ok(rounds > 10_000 && rounds < 21_000, String(rounds));
      ends(play, "http2.inbound_control_frames_flood");
    }
  });

  it("ends floods of PRIORITY and WINDOW_UPDATE frames", () => {
    const priority = withRequest();
    assert.equal(
      flood(priority, () => frame("PRIORITY", 0, 1, Buffer.alloc(5)), 1000),
      201,
    );
    ends(priority, "codec_error:Too_many_PRIORITY_frames");
    const update = withRequest();
    assert.equal(
      flood(update, () => frame("WINDOW_UPDATE", 0, 0, uint32(1)), 1000),
      8,
    );
    ends(update, "codec_error:Too_many_WINDOW_UPDATE_frames");
  });

  it("ends clients that ask and never read", () => {
    const play = new H2ServerPlay({ maxOutboundFrames: 200 });
    play.sink.full = true;
    play.log.after = (stream, event) => {
      if (event === "headers" && stream.complete) play.log.stream.headers(responseMap(), true);
    };
    const rounds = flood(play, (i) => headers(1 + 2 * i, getFields()), 1000);
    assert.ok(rounds > 190 && rounds < 210, String(rounds));
    assert.match(play.frames().at(-1)!, /^GOAWAY \d+ 11$/);
  });

  it("keeps little for clients that open no window", () => {
    const play = new H2ServerPlay();
    play.send(settings({ 4: 0 }));
    for (let i = 0; i < 100; i++) {
      play.send(headers(1 + 2 * i, getFields()));
      const { stream } = play.log;
      stream.headers(responseMap(), false);
      // A handler that heeds this holds one chunk a stream.
      assert.equal(stream.data(Buffer.alloc(1000), false), false);
    }
    play.frames();
    // One byte at a time costs a frame each, and the budget for WINDOW_UPDATE bounds that.
    const rounds = flood(play, (i) => frame("WINDOW_UPDATE", 0, 1 + 2 * (i % 100), uint32(1)), 5000);
    assert.equal(rounds, 5001);
    play.codec.onConnectionClosed("");
    assert.equal(play.codec.activeStreams, 0);
  });

  it("makes little of HPACK bombs: fields count as if they were not compressed", () => {
    const play = new H2ServerPlay();
    const bomb = Buffer.concat([indexedBlock([["x", "y".repeat(3900)]]), Buffer.alloc(16_000 - 4000, 0xbe)]);
    const started = performance.now();
    for (let i = 0; i < 50; i++)
      play.send(frame("HEADERS", END_HEADERS, 1 + 2 * i, Buffer.concat([block(getFields()), bomb])));
    assert.ok(performance.now() - started < 500);
    assert.equal(play.frames().filter((line) => line.endsWith(" 2")).length, 50);
    assert.ok(play.events().every((line) => line === "reset remote-reset http2.header_list_size_too_large"));
  });

  it("ends connections whose compression or framing is broken", () => {
    const started = headers(1, getFields(), 0);
    for (const [what, bytes, code] of [
      ["compression", frame("HEADERS", 5, 3, "\xff\xff\xff\xff\xff"), 9],
      ["frame size", Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1]), 6],
      ["SETTINGS of odd length", frame("SETTINGS", 0, 0, "12345"), 6],
      ["SETTINGS on a stream", frame("SETTINGS", 0, 1), 1],
      ["acknowledgement with content", frame("SETTINGS", 1, 0, "123456"), 6],
      ["PING of odd length", frame("PING", 0, 0, "1234567"), 6],
      ["PING on a stream", frame("PING", 0, 1, "12345678"), 1],
      ["GOAWAY on a stream", frame("GOAWAY", 0, 1, "12345678"), 1],
      ["RST_STREAM of an idle stream", frame("RST_STREAM", 0, 9, uint32(0)), 1],
      ["RST_STREAM of odd length", frame("RST_STREAM", 0, 1, "123"), 6],
      ["DATA on stream 0", frame("DATA", 0, 0, "x"), 1],
      ["DATA of an idle stream", frame("DATA", 0, 9, "x"), 1],
      ["DATA with too much padding", frame("DATA", 8, 1, "\x05x"), 1],
      ["HEADERS with too much padding", frame("HEADERS", 12, 3, "\x05x"), 1],
      ["HEADERS on an even stream", headers(2, getFields()), 1],
      ["WINDOW_UPDATE of an idle stream", frame("WINDOW_UPDATE", 0, 9, uint32(1)), 1],
      ["CONTINUATION alone", frame("CONTINUATION", 4, 1, "x"), 1],
      [
        "something amid a block",
        Buffer.concat([frame("HEADERS", 0, 3, "\x82"), frame("PING", 0, 0, "12345678")]),
        1,
      ],
      ["PUSH_PROMISE", frame("PUSH_PROMISE", 4, 1, uint32(2)), 1],
    ] as const) {
      const play = new H2ServerPlay();
      play.send(started, bytes);
      assert.match(play.frames().at(-1)!, new RegExp(`^GOAWAY [13] ${code}$`), what);
      assert.equal(play.events().at(-1), "close protocol-error", what);
    }
  });

  it("ends connections that do not begin as they should", () => {
    for (const bytes of [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.concat([PREFACE, headers(1, getFields())]),
      Buffer.concat([PREFACE, frame("SETTINGS", 1, 0)]),
    ]) {
      const play = new FreshServer();
      play.codec.feed(bytes, 0, bytes.length);
      assert.equal(play.log.lines.at(-1), "close protocol-error");
    }
  });

  it("a client bounds what a server may do in the same way", () => {
    const play = new H2ClientPlay();
    play.open();
    for (let i = 0; i < 3; i++) play.send(frame("PING", 0, 0, "12345678"));
    play.send(headers(1, [[":status", "200"]], 0), frame("DATA", 0, 1), frame("DATA", 0, 1));
    assert.deepEqual(play.events().slice(-2), [
      "reset protocol-error http2.inbound_empty_frames_flood",
      "unusable protocol-error",
    ]);
  });
});

/** A server that has received nothing yet. */
class FreshServer {
  readonly log = new ServerLog();
  readonly codec = new H2ServerCodec(new TextSink(), this.log, DEFAULT_H2_SERVER_OPTIONS);
}
