import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { END_STREAM, frame, getFields, headers, PADDED, settings, uint32 } from "../../testing/h2-frames.ts";
import { H2ServerPlay, responseMap } from "../../testing/h2-play.ts";
import { HeaderMap } from "../header-map.ts";
import type { H2ServerOptions } from "./options.ts";

const SMALL: Partial<H2ServerOptions> = {
  initialStreamWindowSize: 1000,
  initialConnectionWindowSize: 65_535,
};

/** A server with one open request. */
function open(
  options: Partial<H2ServerOptions> = {},
  clientSettings: Record<number, number> = {},
): H2ServerPlay {
  const play = new H2ServerPlay(options);
  play.send(settings(clientSettings), headers(1, getFields(), 0));
  play.frames();
  play.events();
  return play;
}

function windowUpdate(id: number, increment: number): Buffer {
  return frame("WINDOW_UPDATE", 0, id, uint32(increment));
}

describe("flow control of what is received", () => {
  it("gives credit for a stream as its handler takes bytes", () => {
    const play = open(SMALL);
    play.send(frame("DATA", 0, 1, "x".repeat(499)));
    assert.deepEqual(play.frames(), []);
    play.send(frame("DATA", 0, 1, "x"));
    assert.deepEqual(play.frames(), ["WINDOW_UPDATE 1 500"]);
  });

  it("gives none while the handler has paused, and keeps the bytes until it goes on", () => {
    const play = open(SMALL);
    const { stream } = play.log;
    stream.pause();
    play.send(frame("DATA", 0, 1, "a".repeat(600)), frame("DATA", 0, 1, "b".repeat(400)));
    assert.deepEqual([play.frames(), play.events()], [[], []]);
    stream.resume();
    assert.deepEqual(play.frames(), ["WINDOW_UPDATE 1 1000"]);
    assert.deepEqual(play.events(), [`data ${"a".repeat(600)}${"b".repeat(400)}`]);
  });

  it("holds the end and trailers back with the bytes", () => {
    for (const last of [frame("DATA", END_STREAM, 1), headers(1, [["t", "v"]])]) {
      const play = open();
      play.log.stream.pause();
      play.send(frame("DATA", 0, 1, "abc"), last);
      assert.deepEqual(play.events(), []);
      play.log.stream.resume();
      const end = play.events();
      assert.ok(end.at(-1) === "trailers t: v" || end.at(-1) === "data abc END", String(end));
    }
  });

  it("stops again in the middle when the handler pauses", () => {
    const play = open();
    const { stream } = play.log;
    stream.pause();
    play.send(frame("DATA", 0, 1, "a"), frame("DATA", END_STREAM, 1, "b"));
    play.log.after = (_, event) => void (event === "data" && stream.pause());
    stream.resume();
    assert.deepEqual(play.events(), ["data a"]);
    stream.resume();
    assert.deepEqual(play.events(), ["data b END"]);
  });

  it("counts padding, and bytes for streams that are gone, as used", () => {
    const play = open(SMALL);
    play.send(frame("DATA", PADDED, 1, Buffer.concat([Buffer.from([255, 120]), Buffer.alloc(255)])));
    play.send(frame("DATA", PADDED, 1, Buffer.concat([Buffer.from([255, 120]), Buffer.alloc(255)])));
    assert.deepEqual(play.frames(), ["WINDOW_UPDATE 1 514"]);
    play.log.stream.reset("local-reset");
    for (let i = 0; i < 4; i++) play.send(frame("DATA", 0, 1, "x".repeat(9000)));
    assert.deepEqual(play.frames(), ["RST_STREAM 1 2", "WINDOW_UPDATE 0 36514"]);
  });

  it("gives the connection back what a reset stream had not taken", () => {
    const play = open({ initialConnectionWindowSize: 65_535 });
    play.log.stream.pause();
    for (let i = 0; i < 4; i++) play.send(frame("DATA", 0, 1, "x".repeat(9000)));
    assert.deepEqual(play.frames(), []);
    play.log.stream.reset("local-reset");
    assert.deepEqual(play.frames(), ["RST_STREAM 1 2", "WINDOW_UPDATE 0 36000"]);
  });

  it("resets a stream that exceeds its window, and ends a connection that does", () => {
    const play = open(SMALL);
    play.log.stream.pause();
    play.send(frame("DATA", 0, 1, "x".repeat(1001)));
    assert.deepEqual(play.frames(), ["RST_STREAM 1 3"]);
    const whole = open({ initialConnectionWindowSize: 65_535 });
    whole.log.stream.pause();
    for (let i = 0; i < 5; i++) whole.send(frame("DATA", 0, 1, "x".repeat(15_000)));
    assert.deepEqual(whole.frames(), ["GOAWAY 1 3"]);
  });
});

describe("flow control of what is sent", () => {
  it("sends what both windows allow and the rest when they grow", () => {
    const play = open({}, { 4: 10 });
    const { stream } = play.log;
    stream.headers(responseMap(), false);
    assert.equal(stream.data(Buffer.from("0123456789"), false), true);
    assert.equal(stream.data(Buffer.from("abcdef"), false), false);
    assert.deepEqual(play.frames().slice(1), ["DATA 1 0123456789"]);
    play.send(windowUpdate(1, 4));
    assert.deepEqual(play.frames(), ["DATA 1 abcd"]);
    assert.deepEqual(play.events(), []);
    play.send(windowUpdate(1, 4));
    assert.deepEqual(play.frames(), ["DATA 1 ef"]);
    assert.deepEqual(play.events(), ["drain"]);
    assert.equal(stream.data(Buffer.from("gh"), true), true);
    assert.deepEqual(play.frames(), ["DATA 1 gh END", "RST_STREAM 1 0"]);
  });

  it("sends the end and trailers behind what waits", () => {
    const play = open({}, { 4: 0 });
    const { stream } = play.log;
    play.send(frame("DATA", END_STREAM, 1));
    stream.headers(responseMap(), false);
    stream.data(Buffer.from("ab"), false);
    const trailers = HeaderMap.of([["t", "v"]]);
    stream.trailers(trailers);
    trailers.clear();
    play.send(windowUpdate(1, 1));
    play.send(windowUpdate(1, 1));
    assert.deepEqual(play.frames().slice(1), ["DATA 1 a", "DATA 1 b", "HEADERS 1 t=v END"]);
    assert.equal(play.codec.activeStreams, 0);
  });

  it("shares the connection's window frame by frame among streams", () => {
    const play = open({}, { 4: 1_000_000 });
    const first = play.log.stream;
    play.send(headers(3, getFields(), 0));
    const second = play.log.stream;
    for (const stream of [first, second]) {
      stream.headers(responseMap(), false);
      stream.data(Buffer.alloc(100_000, stream === first ? "a" : "b"), false);
    }
    play.frames();
    play.send(windowUpdate(0, 65_536));
    const sizes = play.frames().map((line) => `${line.slice(0, 6)} ${line.length - 7}`);
    assert.deepEqual(sizes, ["DATA 1 16384", "DATA 3 16384", "DATA 1 16384", "DATA 3 16384"]);
  });

  it("follows changes of the initial window, also below zero", () => {
    const play = open({}, { 4: 10 });
    const { stream } = play.log;
    stream.headers(responseMap(), false);
    stream.data(Buffer.from("0123456789abc"), false);
    play.frames();
    play.send(settings({ 4: 5 }), windowUpdate(1, 5));
    assert.deepEqual(play.frames(), ["SETTINGS ACK"]);
    play.send(settings({ 4: 8 }));
    assert.deepEqual(play.frames(), ["SETTINGS ACK", "DATA 1 abc"]);
  });

  it("refuses windows beyond 2^31-1 and increments of zero", () => {
    for (const [bytes, answer] of [
      [windowUpdate(1, 0), "RST_STREAM 1 1"],
      [windowUpdate(1, 0x7fff_ffff), "RST_STREAM 1 3"],
      [windowUpdate(0, 0), "GOAWAY 1 1"],
      [windowUpdate(0, 0x7fff_ffff), "GOAWAY 1 3"],
      [settings({ 4: 0x8000_0000 }), "GOAWAY 1 3"],
      [settings({ 5: 16_383 }), "GOAWAY 1 1"],
      [settings({ 2: 2 }), "GOAWAY 1 1"],
    ] as const) {
      const play = open();
      play.send(bytes);
      assert.deepEqual(play.frames(), [answer]);
    }
  });

  it("waits while the sink is full and tells its streams when it is not", () => {
    const play = open({}, { 4: 1_000_000 });
    const { stream } = play.log;
    stream.headers(responseMap(), false);
    play.sink.full = true;
    stream.data(Buffer.from("a"), false);
    assert.equal(stream.data(Buffer.from("b"), false), false);
    play.sink.full = false;
    play.codec.onDrain();
    assert.deepEqual(play.events(), ["drain"]);
    assert.equal(stream.data(Buffer.from("c"), true), true);
  });
});
