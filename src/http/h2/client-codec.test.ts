import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { TimerWheel } from "../../base/timer-wheel.ts";
import { END_STREAM, frame, headers, uint32 } from "../../testing/h2-frames.ts";
import { FrameLog } from "../../testing/h2-frame-log.ts";
import { H2ClientPlay, requestMap } from "../../testing/h2-play.ts";
import { PoolLog, StreamLog, TextSink } from "../../testing/codec-log.ts";
import { HeaderMap } from "../header-map.ts";
import { H2ClientCodec } from "./client-codec.ts";
import { DEFAULT_H2_CLIENT_OPTIONS } from "./options.ts";

const OK: [string, string][] = [[":status", "200"]];
const GET = "HEADERS 1 :method=GET :scheme=http :authority=h :path=/ END";

describe("H2ClientCodec", () => {
  it("begins with the preface and Envoy's settings", () => {
    const sink = new TextSink();
    const codec = new H2ClientCodec(sink, new PoolLog(), DEFAULT_H2_CLIENT_OPTIONS);
    assert.ok(sink.text.startsWith("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    const log = new FrameLog();
    log.add(Buffer.from(sink.take(), "latin1"));
    assert.deepEqual(log.take(), ["SETTINGS 2=0 1=4096 8=0 3=1024 4=16777216", "WINDOW_UPDATE 0 25100289"]);
    assert.equal(codec.availableStreams, 100);
  });

  it("sends requests with body and trailers, and delivers the response", () => {
    const play = new H2ClientPlay();
    const { stream } = play.open("POST");
    stream.data(Buffer.from("abc"), false);
    stream.trailers(HeaderMap.of([["t", "v"]]));
    assert.deepEqual(play.frames(), [
      "HEADERS 1 :method=POST :scheme=http :authority=h :path=/",
      "DATA 1 abc",
      "HEADERS 1 t=v END",
    ]);
    play.send(
      headers(
        1,
        [
          [":status", "103"],
          ["link", "x"],
        ],
        0,
      ),
      headers(1, [...OK, ["server", "s"]], 0),
    );
    play.send(frame("DATA", 0, 1, "xyz"), headers(1, [["u", "w"]]));
    assert.deepEqual(play.events(), [
      "interim 103 link: x",
      "headers 200 server: s",
      "data xyz",
      "trailers u: w",
      "idle",
    ]);
    assert.equal(play.codec.activeStreams, 0);
  });

  it("carries many streams at once, up to the server's limit and ours", () => {
    const play = new H2ClientPlay({ 3: 2 });
    assert.equal(play.codec.availableStreams, 2);
    play.open();
    play.open();
    assert.equal(play.codec.availableStreams, 0);
    assert.throws(() => play.open(), /Cannot open a stream/);
    play.send(headers(3, OK), headers(1, OK));
    assert.deepEqual(play.events(), ["headers 200  END", "idle", "headers 200  END", "idle"]);
    assert.equal(new H2ClientPlay({ 3: 5000 }).codec.availableStreams, 1024);
    assert.equal(new H2ClientPlay({}, { maxConcurrentStreams: 7 }).codec.availableStreams, 7);
  });

  it("ends the request when the response is complete before it", () => {
    const play = new H2ClientPlay();
    const { stream } = play.open("POST");
    play.send(headers(1, OK));
    stream.data(Buffer.from("late"), true);
    assert.deepEqual(play.frames().slice(1), ["RST_STREAM 1 0"]);
    assert.deepEqual(play.events(), ["headers 200  END", "idle"]);
  });

  it("accepts a length without a body for HEAD and 304, not otherwise", () => {
    const play = new H2ClientPlay();
    play.open("HEAD", true);
    play.open();
    play.open();
    play.send(
      headers(1, [...OK, ["content-length", "5"]]),
      headers(3, [
        [":status", "304"],
        ["content-length", "5"],
      ]),
    );
    play.send(headers(5, [...OK, ["content-length", "5"]]));
    assert.deepEqual(
      play.events().filter((line) => line !== "idle"),
      [
        "headers 200 content-length: 5 END",
        "headers 304 content-length: 5 END",
        "reset protocol-error http2.violation.of.messaging.rule",
        "unusable protocol-error",
      ],
    );
  });

  for (const [what, fields, end] of [
    ["no status", [["a", "b"]], END_STREAM],
    ["a status of two digits", [[":status", "20"]], END_STREAM],
    ["a status of letters", [[":status", "abc"]], END_STREAM],
    ["a request's pseudo fields", [...OK, [":path", "/"]], END_STREAM],
    ["101", [[":status", "101"]], 0],
    ["an interim response that ends", [[":status", "103"]], END_STREAM],
    ["connection", [...OK, ["connection", "close"]], END_STREAM],
  ] as [string, [string, string][], number][]) {
    it(`refuses responses with ${what}`, () => {
      const play = new H2ClientPlay();
      play.open();
      play.send(headers(1, fields, end));
      const [reset, unusable] = play.events();
      assert.match(reset!, /^reset protocol-error http2\./);
      assert.equal(unusable, "unusable protocol-error");
      assert.deepEqual(play.frames(), [GET, "GOAWAY 0 1"]);
      const lenient = new H2ClientPlay({}, { overrideStreamErrorOnInvalidHttpMessage: true });
      lenient.open();
      lenient.send(headers(1, fields, end));
      assert.deepEqual(lenient.frames(), [GET, "RST_STREAM 1 1"]);
      assert.equal(lenient.codec.availableStreams, 1024);
    });
  }

  it("after GOAWAY resets what was not taken, serves the rest and says when it is done", () => {
    const play = new H2ClientPlay();
    play.open();
    play.open();
    play.send(frame("GOAWAY", 0, 0, uint32(1, 0)));
    assert.equal(play.codec.availableStreams, 0);
    play.send(headers(1, OK));
    assert.deepEqual(play.events(), [
      "reset remote-refused-stream-reset http2.remote_refuse",
      "unusable go-away",
      "headers 200  END",
      "unusable go-away",
    ]);
  });

  it("tells of long bodies while there are some", () => {
    const play = new H2ClientPlay();
    play.open();
    play.open();
    for (const id of [1, 3]) {
      play.send(headers(id, OK, 0));
      for (let i = 0; i < 5; i++) play.send(frame("DATA", 0, id, "x".repeat(16_000)));
    }
    play.send(frame("DATA", END_STREAM, 1), frame("RST_STREAM", 0, 3, uint32(8)));
    const lines = play.events().filter((line) => !line.startsWith("data"));
    assert.deepEqual(lines, [
      "headers 200",
      "long-body true",
      "headers 200",
      "idle",
      "long-body false",
      "reset remote-reset http2.remote_reset",
      "idle",
    ]);
  });

  it("takes GOAWAY in two steps", () => {
    const play = new H2ClientPlay();
    play.open();
    play.send(frame("GOAWAY", 0, 0, uint32(0x7fff_ffff, 0)), frame("GOAWAY", 0, 0, uint32(1, 0)));
    assert.deepEqual(play.events(), ["unusable go-away"]);
    play.send(headers(1, OK));
    assert.deepEqual(play.events(), ["headers 200  END", "unusable go-away"]);
  });

  it("keeps a whole response when the server stops the request afterwards", () => {
    const play = new H2ClientPlay();
    const { stream } = play.open("POST");
    play.send(headers(1, OK, 0));
    stream.pause();
    play.send(frame("DATA", END_STREAM, 1, "all"), frame("RST_STREAM", 0, 1, uint32(0)));
    assert.deepEqual(play.events(), ["headers 200"]);
    play.frames();
    stream.data(Buffer.from("more"), true);
    assert.deepEqual(play.frames(), []);
    stream.resume();
    assert.deepEqual(play.events(), ["data all END", "idle"]);
    assert.equal(play.codec.activeStreams, 0);
  });

  it("maps resets", () => {
    const play = new H2ClientPlay();
    for (const [i, code] of [0, 7, 8, 10].entries()) {
      play.open();
      play.send(frame("RST_STREAM", 0, 1 + i * 2, uint32(code)));
    }
    assert.deepEqual(
      play.events().filter((line) => line !== "idle"),
      [
        "reset remote-reset http2.remote_reset",
        "reset remote-refused-stream-reset http2.remote_refuse",
        "reset remote-reset http2.remote_reset",
        "reset connect-error http2.remote_reset",
      ],
    );
    play.frames();
    play.open().stream.reset("local-reset");
    assert.deepEqual(play.frames().slice(1), ["RST_STREAM 9 2"]);
    // The server did not know.
    play.send(headers(9, OK));
    assert.deepEqual(play.events(), ["idle"]);
    assert.deepEqual(play.frames(), []);
  });

  it("turns an upgrade into an extended CONNECT and its 200 into 101", () => {
    const play = new H2ClientPlay({ 8: 1 });
    const log = new StreamLog(play.lines);
    const stream = play.codec.newStream(log);
    const map = requestMap("GET", [
      ["upgrade", "websocket"],
      ["connection", "Upgrade"],
      ["x", "y"],
    ]);
    stream.headers(map, false);
    assert.equal(map.method, "GET");
    assert.deepEqual(play.frames(), [
      "HEADERS 1 :method=CONNECT :scheme=http :authority=h :path=/ :protocol=websocket x=y",
    ]);
    play.send(headers(1, OK, 0), frame("DATA", END_STREAM, 1, "in"));
    stream.data(Buffer.from("out"), true);
    assert.deepEqual(play.events(), [
      "headers 101 upgrade: websocket|connection: upgrade",
      "data in END",
      "idle",
    ]);
    assert.deepEqual(play.frames(), ["DATA 1 out END"]);
  });

  it("refuses pushes, and streams that nobody opened", () => {
    for (const bytes of [
      frame("PUSH_PROMISE", 4, 1, uint32(2)),
      headers(7, OK),
      headers(2, OK),
      frame("DATA", 0, 7, "x"),
      frame("SETTINGS", 0, 0, Buffer.from([0, 2, 0, 0, 0, 1])),
    ]) {
      const play = new H2ClientPlay();
      play.open();
      play.send(bytes);
      assert.deepEqual(play.events().slice(1), ["unusable protocol-error"]);
      assert.deepEqual(play.frames().slice(1), ["GOAWAY 0 1"]);
    }
  });

  it("sends a PING before a stream on a connection that was silent for long", () => {
    const clock = new FakeClock();
    const connectionKeepalive = { interval: 0, timeout: 100, jitterPercent: 15, idleInterval: 1000 };
    const play = new H2ClientPlay({}, { connectionKeepalive }, new TimerWheel(clock), clock);
    play.open();
    assert.deepEqual(play.frames(), [GET]);
    clock.advance(1500);
    play.open();
    const [ping] = play.frames();
    assert.match(ping!, /^PING /);
    clock.advance(110);
    assert.deepEqual(play.events(), [
      "unusable close",
      "reset connection-termination http2.keepalive_timeout",
      "reset connection-termination http2.keepalive_timeout",
    ]);
  });

  it("ends open streams when the connection ends", () => {
    const play = new H2ClientPlay();
    play.open();
    play.codec.onEnd();
    play.codec.onConnectionClosed("");
    assert.deepEqual(play.events(), ["reset connection-termination", "unusable close"]);
    assert.equal(play.codec.availableStreams, 0);
  });
});
