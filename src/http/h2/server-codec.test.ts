import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { TimerWheel } from "../../base/timer-wheel.ts";
import {
  block,
  END_HEADERS,
  END_STREAM,
  frame,
  getFields,
  headers,
  PADDED,
  PREFACE,
  settings,
  uint32,
} from "../../testing/h2-frames.ts";
import { H2ServerPlay, responseMap } from "../../testing/h2-play.ts";
import { TextSink } from "../../testing/codec-log.ts";
import { FrameLog } from "../../testing/h2-frame-log.ts";
import { HeaderMap } from "../header-map.ts";
import { DEFAULT_H2_SERVER_OPTIONS } from "./options.ts";
import { speaksHttp2 } from "./preface.ts";
import { H2ServerCodec } from "./server-codec.ts";

const MAX_ID = 0x7fff_ffff;
const GET = "headers GET / http [h]  END";

function fails(fields: [string, string][], detail: string): void {
  const play = new H2ServerPlay();
  play.send(headers(1, fields));
  assert.deepEqual(play.frames(), ["GOAWAY 1 1"]);
  assert.deepEqual(play.events(), [`reset protocol-error ${detail}`, "close protocol-error"]);
  const lenient = new H2ServerPlay({ overrideStreamErrorOnInvalidHttpMessage: true });
  lenient.send(headers(1, fields), headers(3, getFields()));
  assert.deepEqual(lenient.frames(), ["RST_STREAM 1 1"]);
  assert.deepEqual(lenient.events(), [`reset protocol-error ${detail}`, GET]);
}

describe("speaksHttp2()", () => {
  it("tells HTTP/2 from HTTP/1.1 by the first bytes that differ", () => {
    const tell = (text: string): boolean | undefined => speaksHttp2(Buffer.from(text), 0, text.length);
    assert.equal(tell("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n..."), true);
    assert.equal(tell("PRI * HT"), undefined);
    assert.equal(tell("PROPFIND / HTTP/1.1"), false);
  });
});

describe("H2ServerCodec", () => {
  it("begins with Envoy's settings and window", () => {
    const sink = new TextSink();
    const handler = { onStream: () => assert.fail(), onClose: () => assert.fail() };
    const codec = new H2ServerCodec(sink, handler, DEFAULT_H2_SERVER_OPTIONS);
    const log = new FrameLog();
    log.add(Buffer.from(sink.take(), "latin1"));
    assert.deepEqual(log.take(), ["SETTINGS 1=4096 8=0 3=1024 4=16777216", "WINDOW_UPDATE 0 25100289"]);
    codec.feed(PREFACE, 0, PREFACE.length);
    const bytes = settings();
    codec.feed(bytes, 0, bytes.length);
    log.add(Buffer.from(sink.take(), "latin1"));
    assert.deepEqual(log.take(), ["SETTINGS ACK"]);
  });

  it("serves a request and answers with body and trailers", () => {
    const play = new H2ServerPlay();
    play.send(
      headers(
        1,
        getFields(["accept", "a"], ["accept", "b"], ["cookie", "x=1"], ["cookie", "y=2"], ["x-a", "1"]),
      ),
    );
    assert.deepEqual(play.events(), ["headers GET / http [h] accept: a,b|x-a: 1|cookie: x=1; y=2 END"]);
    const { stream } = play.log;
    assert.equal(stream.protocol, "HTTP/2");
    stream.headers(
      responseMap(200, [
        ["server", "s"],
        ["connection", "keep-alive"],
        ["transfer-encoding", "chunked"],
      ]),
      false,
    );
    assert.equal(stream.data(Buffer.from("body"), false), true);
    assert.equal(play.codec.activeStreams, 1);
    stream.trailers(HeaderMap.of([["grpc-status", "0"]]));
    assert.deepEqual(play.frames(), [
      "HEADERS 1 :status=200 server=s",
      "DATA 1 body",
      "HEADERS 1 grpc-status=0 END",
    ]);
    assert.equal(play.codec.activeStreams, 0);
    assert.ok(stream.wireBytesSent > 30 && stream.wireBytesReceived > 30);
  });

  it("delivers body and trailers, ignoring padding and priority", () => {
    const play = new H2ServerPlay();
    const fields = [...getFields(), ["content-length", "5"]] as [string, string][];
    const priority = uint32(0, 0).subarray(0, 5);
    const padded = Buffer.concat([Buffer.from([3]), priority, block(fields), Buffer.alloc(3)]);
    play.send(frame("HEADERS", END_HEADERS | PADDED | 0x20, 1, padded));
    play.send(frame("PRIORITY", 0, 1, uint32(7, 0).subarray(0, 5)));
    play.send(frame("DATA", PADDED, 1, Buffer.from("\x02hello\0\0", "latin1")));
    play.send(headers(1, [["t", "v"]]));
    assert.deepEqual(play.events(), [
      "headers GET / http [h] content-length: 5",
      "data hello",
      "trailers t: v",
    ]);
    play.log.stream.headers(responseMap(204), true);
    assert.deepEqual(play.frames(), ["HEADERS 1 :status=204 END"]);
  });

  it("writes interim responses, and a long head in several frames", () => {
    const play = new H2ServerPlay();
    play.send(headers(1, getFields()));
    play.log.stream.interim(103, HeaderMap.of([["link", "</a>"]]));
    play.log.stream.headers(responseMap(200, [["x-long", "v".repeat(40_000)]]), true);
    const lines = play.frames();
    assert.equal(lines[0], "HEADERS 1 :status=103 link=</a>");
    assert.deepEqual(lines.slice(1), ["HEADERS 1 in frames of 16384, 16384, 7245 bytes END"]);
  });

  it("writes no body to HEAD, nor with 204 and 304", () => {
    for (const [method, status, shown] of [
      ["HEAD", 200, "content-length=2"],
      ["GET", 304, "content-length=2"],
      ["GET", 204, ""],
    ] as const) {
      const play = new H2ServerPlay();
      play.send(headers(1, getFields().with(0, [":method", method])));
      const { stream } = play.log;
      stream.headers(responseMap(status, [["content-length", "2"]]), false);
      assert.equal(stream.data(Buffer.from("o"), false), true);
      stream.data(Buffer.from("k"), true);
      assert.deepEqual(play.frames(), [`HEADERS 1 :status=${status} ${shown}`.trimEnd(), "DATA 1  END"]);
    }
  });

  it("takes host for a missing :authority, which wins otherwise", () => {
    const play = new H2ServerPlay();
    const [method, scheme, , path] = getFields() as [string, string][];
    play.send(
      headers(1, [method!, scheme!, path!, ["host", "other"]]),
      headers(3, getFields(["host", "other"])),
    );
    assert.deepEqual(play.events(), ["headers GET / http [other]  END", GET]);
  });

  for (const [what, fields, detail] of [
    ["upper-case names", getFields(["X-A", "b"]), "http2.invalid.header.field"],
    ["control characters", getFields(["x-a", "a\x01b"]), "http2.invalid.header.field"],
    ["line breaks", getFields(["x-a", "a\r\nb"]), "http2.invalid.header.field"],
    ["white space in the path", getFields().with(3, [":path", "/a b"]), "http2.invalid.header.field"],
    ["user information", getFields().with(2, [":authority", "u@h"]), "http2.invalid.header.field"],
    ["connection", getFields(["connection", "close"]), "http2.invalid.header.field"],
    ["transfer-encoding", getFields(["transfer-encoding", "chunked"]), "http2.invalid.header.field"],
    ["upgrade", getFields(["upgrade", "x"]), "http2.invalid.header.field"],
    ["te", getFields(["te", "gzip"]), "http2.invalid.header.field"],
    ["bad lengths", getFields(["content-length", "+1"]), "http2.invalid.header.field"],
    [
      "two lengths",
      getFields(["content-length", "0"], ["content-length", "0"]),
      "http2.invalid.header.field",
    ],
    ["bad authorities", getFields().with(2, [":authority", "a b"]), "http2.invalid.header.field"],
    ["no authority", getFields().toSpliced(2, 1), "http2.violation.of.messaging.rule"],
    ["no method", getFields().slice(1), "http2.violation.of.messaging.rule"],
    ["no scheme", getFields().toSpliced(1, 1), "http2.violation.of.messaging.rule"],
    ["no path", getFields().slice(0, 3), "http2.violation.of.messaging.rule"],
    ["an empty path", getFields().with(3, [":path", ""]), "http2.invalid.header.field"],
    ["a path without /", getFields().with(3, [":path", "x"]), "http2.violation.of.messaging.rule"],
    ["a bad method", getFields().with(0, [":method", "A B"]), "http2.invalid.header.field"],
    ["a pseudo field twice", getFields([":path", "/"]), "http2.invalid.header.field"],
    [
      "a pseudo field behind others",
      [["a", "b"], ...getFields()] as [string, string][],
      "http2.invalid.header.field",
    ],
    [":status", getFields([":status", "200"]), "http2.invalid.header.field"],
    ["unknown pseudo fields", getFields([":x", "y"]), "http2.invalid.header.field"],
    [
      ":protocol where it is not allowed",
      getFields([":protocol", "websocket"]),
      "http2.invalid.header.field",
    ],
  ] as [string, [string, string][], string][]) {
    it(`refuses requests with ${what}`, () => fails(fields, detail));
  }

  it("refuses trailers with pseudo fields or without the end", () => {
    for (const second of [headers(1, [[":path", "/"]]), headers(1, [["t", "v"]], 0)]) {
      const play = new H2ServerPlay();
      play.send(headers(1, getFields(), 0), second);
      assert.deepEqual(play.frames(), ["GOAWAY 1 1"]);
    }
  });

  it("resets streams whose body is not as long as announced, and only these", () => {
    const fields = getFields(["content-length", "3"]);
    for (const rest of [[frame("DATA", END_STREAM, 1, "ab")], [frame("DATA", 0, 1, "abcd")]]) {
      const play = new H2ServerPlay();
      play.send(headers(1, fields, 0), ...rest, headers(3, getFields()));
      assert.deepEqual(play.frames(), ["RST_STREAM 1 1"]);
      assert.equal(play.events().at(-2), "reset protocol-error http2.remote_reset");
    }
    // Where no DATA frame ends the message it is malformed as any other, as in Envoy.
    const none = new H2ServerPlay();
    none.send(headers(1, fields));
    assert.deepEqual(none.frames(), ["GOAWAY 1 1"]);
    const trailers = new H2ServerPlay();
    trailers.send(headers(1, fields, 0), frame("DATA", 0, 1, "ab"), headers(1, [["t", "v"]]));
    assert.deepEqual(trailers.frames(), ["GOAWAY 1 1"]);
  });

  it("resets requests with too large or too many fields, and keeps HPACK in step", () => {
    const large = new H2ServerPlay({ maxHeaderBytes: 1000 });
    large.send(headers(1, getFields(["x-a", "v".repeat(1000)])), headers(3, getFields()));
    assert.deepEqual(large.frames(), ["RST_STREAM 1 2"]);
    assert.deepEqual(large.events(), ["reset remote-reset http2.header_list_size_too_large", GET]);
    const many = new H2ServerPlay();
    many.send(headers(1, getFields(...Array.from({ length: 97 }, (): [string, string] => ["x", "y"]))));
    assert.deepEqual(many.frames(), ["RST_STREAM 1 2"]);
    assert.deepEqual(many.events(), ["reset remote-reset http2.too_many_headers"]);
  });

  it("treats names with underscores as told", () => {
    const reject = new H2ServerPlay({ underscores: "reject" });
    reject.send(headers(1, getFields(["a_b", "1"])));
    assert.deepEqual(reject.frames(), ["RST_STREAM 1 2"]);
    const drop = new H2ServerPlay({ underscores: "drop" });
    drop.send(headers(1, getFields(["a_b", "1"], ["c", "2"])));
    assert.deepEqual(drop.events(), ["headers GET / http [h] c: 2 END"]);
  });

  it("shows an extended CONNECT as an upgrade, and answers 101 with 200", () => {
    const fields: [string, string][] = [
      ...getFields().with(0, [":method", "CONNECT"]),
      [":protocol", "websocket"],
    ];
    const play = new H2ServerPlay({ allowConnect: true });
    play.send(headers(1, fields, 0));
    assert.deepEqual(play.events(), ["headers GET / http [h] upgrade: websocket|connection: upgrade"]);
    play.log.stream.headers(
      responseMap(101, [
        ["upgrade", "websocket"],
        ["connection", "upgrade"],
      ]),
      false,
    );
    play.send(frame("DATA", 0, 1, "in"));
    play.log.stream.data(Buffer.from("out"), true);
    assert.deepEqual(play.frames(), ["HEADERS 1 :status=200", "DATA 1 out END", "RST_STREAM 1 0"]);
    assert.deepEqual(play.events(), ["data in"]);
    assert.equal(play.codec.activeStreams, 0);
    fails(fields, "http2.invalid.header.field");
  });

  it("takes a plain CONNECT with an authority alone", () => {
    const play = new H2ServerPlay();
    play.send(
      headers(
        1,
        [
          [":method", "CONNECT"],
          [":authority", "h:1"],
        ],
        0,
      ),
    );
    assert.deepEqual(play.events(), ["headers CONNECT   [h:1]"]);
    fails(getFields().with(0, [":method", "CONNECT"]), "http2.violation.of.messaging.rule");
  });

  it("tells the client to stop when the response is complete before the request", () => {
    const play = new H2ServerPlay();
    play.send(headers(1, getFields(), 0));
    play.log.stream.headers(responseMap(413), true);
    assert.deepEqual(play.frames(), ["HEADERS 1 :status=413 END", "RST_STREAM 1 0"]);
    play.send(frame("DATA", 0, 1, "late"), frame("DATA", END_STREAM, 1, "later"));
    assert.deepEqual(play.frames(), []);
    assert.deepEqual(play.events(), ["headers GET / http [h]"]);
  });

  it("maps resets both ways", () => {
    const play = new H2ServerPlay();
    for (const [i, code] of [8, 0, 7, 10].entries())
      play.send(headers(1 + i * 2, getFields(), 0), frame("RST_STREAM", 0, 1 + i * 2, uint32(code)));
    assert.deepEqual(
      play.events().filter((line) => line.startsWith("reset")),
      [
        "reset remote-reset http2.remote_reset",
        "reset remote-reset-no-error http2.remote_reset",
        "reset remote-refused-stream-reset http2.remote_refuse",
        "reset connect-error http2.remote_reset",
      ],
    );
    for (const [i, reason] of (
      ["local-reset", "protocol-error", "local-refused-stream-reset", "connect-error"] as const
    ).entries()) {
      play.send(headers(11 + i * 2, getFields()));
      play.log.stream.reset(reason);
    }
    assert.deepEqual(play.frames(), [
      "RST_STREAM 11 2",
      "RST_STREAM 13 1",
      "RST_STREAM 15 7",
      "RST_STREAM 17 10",
    ]);
    assert.equal(play.codec.activeStreams, 0);
  });

  it("refuses streams beyond the limit", () => {
    const play = new H2ServerPlay({ maxConcurrentStreams: 1 });
    play.send(headers(1, getFields()), headers(3, getFields()));
    assert.deepEqual(play.frames(), ["RST_STREAM 3 7"]);
    play.log.stream.headers(responseMap(), true);
    play.send(headers(5, getFields()));
    assert.deepEqual(play.events(), [GET, GET]);
  });

  it("drain() warns, then names the last stream, then closes", () => {
    const clock = new FakeClock();
    const play = new H2ServerPlay({}, new TimerWheel(clock), clock);
    play.send(headers(1, getFields()));
    play.codec.drain();
    assert.deepEqual(play.frames(), [`GOAWAY ${MAX_ID} 0`]);
    const first = play.log.stream;
    play.send(headers(3, getFields()));
    const second = play.log.stream;
    first.headers(responseMap(), true);
    clock.advance(5100);
    assert.deepEqual(play.frames(), ["HEADERS 1 :status=200 END", "GOAWAY 3 0"]);
    play.send(headers(5, getFields()));
    assert.deepEqual(play.frames(), ["RST_STREAM 5 7"]);
    second.headers(responseMap(), true);
    assert.deepEqual(play.events(), [GET, GET, "close drained"]);
  });

  it("drain() twice does not wait, and without timers one round trip decides", () => {
    const twice = new H2ServerPlay();
    twice.codec.drain();
    twice.codec.drain();
    assert.deepEqual(twice.events(), ["close drained"]);
    const play = new H2ServerPlay();
    play.codec.drain();
    const [, ping] = play.frames();
    play.send(frame("PING", 1, 0, Buffer.from(ping!.slice(5), "hex")));
    assert.deepEqual(play.frames(), ["GOAWAY 0 0"]);
    assert.deepEqual(play.events(), ["close drained"]);
  });

  it("drains when a response says connection: close", () => {
    const play = new H2ServerPlay();
    play.send(headers(1, getFields()));
    play.log.stream.headers(responseMap(200, [["connection", "close"]]), true);
    assert.equal(play.frames().filter((line) => line === `GOAWAY ${MAX_ID} 0`).length, 1);
  });

  it("sends keepalive PINGs and gives up without an answer", () => {
    const clock = new FakeClock();
    const connectionKeepalive = { interval: 1000, timeout: 200, jitterPercent: 0, idleInterval: 0 };
    const play = new H2ServerPlay({ connectionKeepalive }, new TimerWheel(clock), clock);
    clock.advance(1010);
    const [ping] = play.frames();
    play.send(frame("PING", 1, 0, Buffer.from(ping!.slice(5), "hex")));
    clock.advance(900);
    assert.deepEqual(play.frames(), []);
    clock.advance(110);
    assert.match(play.frames()[0]!, /^PING 7765/);
    play.send(headers(1, getFields()));
    clock.advance(210);
    assert.deepEqual(play.events(), [
      GET,
      "reset connection-termination downstream_local_disconnect(http2_ping_timeout)",
      "close done",
    ]);
  });

  it("ends open streams when the connection ends", () => {
    const play = new H2ServerPlay();
    play.send(headers(1, getFields()), headers(3, getFields(), 0));
    play.codec.onConnectionClosed("ECONNRESET");
    assert.deepEqual(play.events().slice(2), [
      "reset connection-termination ECONNRESET",
      "reset connection-termination ECONNRESET",
    ]);
    const half = new H2ServerPlay();
    half.codec.onEnd();
    assert.deepEqual(half.events(), ["close done"]);
  });
});
