import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerLog, TextSink } from "../../testing/codec-log.ts";
import { HeaderMap } from "../header-map.ts";
import { DEFAULT_SERVER_OPTIONS, type H1ServerOptions } from "./options.ts";
import { H1ServerCodec } from "./server-codec.ts";

function setUp(options: Partial<H1ServerOptions> = {}, answer = true) {
  const sink = new TextSink();
  const log = new ServerLog();
  const codec = new H1ServerCodec(sink, log, { ...DEFAULT_SERVER_OPTIONS, ...options });
  const feed = (text: string): void => {
    const bytes = Buffer.from(text, "latin1");
    codec.feed(bytes, 0, bytes.length);
  };
  // Answers complete requests and refusals as the connection manager would.
  if (answer)
    log.after = (stream, event) => {
      if (event === "error") respond(log, 400, [["connection", "close"]]);
      else if (stream.complete) respond(log, 200, []);
    };
  return { sink, log, codec, feed };
}

function respond(log: ServerLog, status: number, lines: [string, string][]): void {
  const map = HeaderMap.of(lines);
  map.status = status;
  log.stream.headers(map, true);
}

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/** Events of one request whose lines after Host are `lines`. */
function read(start: string, lines = "", options: Partial<H1ServerOptions> = {}): string[] {
  const { log, feed } = setUp(options);
  feed(`${start}\r\nHost: h\r\n${lines}\r\n`);
  return log.lines;
}

const CODEC_ERROR = ["error 400 http1.codec_error", "close protocol-error"];
const INVALID_CHARACTERS = ["error 400 http1.invalid_characters", "close protocol-error"];
const INVALID_URL = ["error 400 http1.invalid_url", "close protocol-error"];
const INVALID_AUTHORITY = ["error 400 http.invalid_authority", "close protocol-error"];
const LOW_VERSION = ["error 426 low_version", "close protocol-error"];
const INVALID_CODING = ["error 501 http1.invalid_transfer_encoding", "close protocol-error"];

describe("H1ServerCodec request line", () => {
  const table: [line: string, expected: string | string[]][] = [
    ["GET / HTTP/1.1", "headers GET /  [h]  END"],
    ["GET  /  HTTP/1.1", "headers GET /  [h]  END"],
    ["GET\t/ HTTP/1.1 ", "headers GET /  [h]  END"],
    ["TRACE / HTTP/1.1", "headers TRACE /  [h]  END"],
    ["MSEARCH / HTTP/1.1", "headers MSEARCH /  [h]  END"],
    ["OPTIONS * HTTP/1.1", "headers OPTIONS *  [h]  END"],
    ["GET //a HTTP/1.1", "headers GET //a  [h]  END"],
    ['GET /\\<>"{}|^` HTTP/1.1', 'headers GET /\\<>"{}|^`  [h]  END'],
    ["GET http://o/p HTTP/1.1", "headers GET /p http [o]  END"],
    ["GET https://o/p HTTP/1.1", "headers GET /p https [o]  END"],
    ["GET http://o HTTP/1.1", "headers GET / http [o]  END"],
    ["GET http://o?x=1 HTTP/1.1", "headers GET ?x=1 http [o]  END"],
    ["GET HTTP://O:81/p HTTP/1.1", "headers GET /p http [O:81]  END"],
    ["GET http://u@o/p HTTP/1.1", "headers GET /p http [o]  END"],
    ["CONNECT h:80 HTTP/1.1", "headers CONNECT   [h:80]"],
    ["CONNECT [::1]:80 HTTP/1.1", "headers CONNECT   [[::1]:80]"],
    ["CONNECT h:0 HTTP/1.1", "headers CONNECT   [h:0]"],
    ["FOO / HTTP/1.1", CODEC_ERROR],
    ["get / HTTP/1.1", CODEC_ERROR],
    [" GET / HTTP/1.1", CODEC_ERROR],
    ["M-SEARCH / HTTP/1.1", CODEC_ERROR],
    ["G@T / HTTP/1.1", CODEC_ERROR],
    ["GET", CODEC_ERROR],
    ["GET / HTTP/11", CODEC_ERROR],
    ["GET / http/1.1", CODEC_ERROR],
    ["GET / HTTX/1.1", CODEC_ERROR],
    ["GET / HTTP/1.11", CODEC_ERROR],
    ["GET / HTTP/1.1 x", CODEC_ERROR],
    ["GET a HTTP/1.1", CODEC_ERROR],
    ["GET ?x HTTP/1.1", CODEC_ERROR],
    ["GET /a b HTTP/1.1", CODEC_ERROR],
    ["GET /a\rb HTTP/1.1", CODEC_ERROR],
    ["GET /\xe9 HTTP/1.1", CODEC_ERROR],
    ["GET http://a@@b/ HTTP/1.1", CODEC_ERROR],
    ['GET http://a"/ HTTP/1.1', CODEC_ERROR],
    ["GET * HTTP/1.1", INVALID_URL],
    ["GET http:///p HTTP/1.1", INVALID_URL],
    ["GET http://a:x/ HTTP/1.1", INVALID_URL],
    ["GET http:// HTTP/1.1", INVALID_URL],
    ["GET http://a:/ HTTP/1.1", INVALID_URL],
    ["CONNECT h HTTP/1.1", INVALID_URL],
    ["CONNECT / HTTP/1.1", INVALID_URL],
    ["CONNECT a:80/x HTTP/1.1", INVALID_URL],
    ["CONNECT a:99999 HTTP/1.1", INVALID_URL],
    ["CONNECT :80 HTTP/1.1", INVALID_URL],
    ["CONNECT * HTTP/1.1", INVALID_URL],
    ["CONNECT a:1:2 HTTP/1.1", INVALID_URL],
    ["CONNECT a_b:80 HTTP/1.1", INVALID_URL],
    ["CONNECT [::1]: HTTP/1.1", INVALID_URL],
    ["CONNECT a:080 HTTP/1.1", "headers CONNECT   [a:080]"],
    ["GET http://[::1]:8/p HTTP/1.1", "headers GET /p http [[::1]:8]  END"],
    ["GET http://[::1/p HTTP/1.1", INVALID_URL],
    ["GET http://a:80:90/p HTTP/1.1", INVALID_URL],
    ["GET http://a:99999/p HTTP/1.1", INVALID_URL],
    ["GET http://u:p@a@b/p HTTP/1.1", INVALID_URL],
    ["GET http://@/p HTTP/1.1", INVALID_URL],
    ["GET http://a%41!$/p HTTP/1.1", INVALID_URL],
    ["GET http://a/p?http://b/@c HTTP/1.1", "headers GET /p?http://b/@c http [a]  END"],
    ["GET ws://a/ HTTP/1.1", ["error 400 http1.invalid_scheme", "close protocol-error"]],
    ["GET /\x01 HTTP/1.1", INVALID_CHARACTERS],
    ["GET /\0 HTTP/1.1", INVALID_CHARACTERS],
    ["GET /\x7f HTTP/1.1", INVALID_CHARACTERS],
    ["GE\0T / HTTP/1.1", INVALID_CHARACTERS],
    ["GET / HTTP/1.1\0", INVALID_CHARACTERS],
    ["GET /", LOW_VERSION],
    ["GET / HTTP/1.0", LOW_VERSION],
    ["GET / HTTP/1.2", LOW_VERSION],
    ["GET / HTTP/0.9", LOW_VERSION],
    ["GET / HTTP/3.0", LOW_VERSION],
  ];
  for (const [line, expected] of table)
    it(JSON.stringify(line), () => {
      assert.deepEqual(read(line), Array.isArray(expected) ? expected : [expected]);
    });

  it("refuses https targets where the proxy is the edge", () => {
    assert.deepEqual(read("GET https://o/p HTTP/1.1", "", { refuseHttpsUrl: true }), [
      "error 403 http1.https_url_on_plaintext_connection",
      "close protocol-error",
    ]);
  });
});

describe("H1ServerCodec fields", () => {
  const table: [lines: string, expected: string | string[], start?: string][] = [
    ["A-B: c\r\n", "a-b: c"],
    ["a:\r\n", "a:"],
    ["a:b\r\n", "a: b"],
    ["a:  b  \r\n", "a: b"],
    ["a:\tb\t\r\n", "a: b"],
    ["a: \xe9\r\n", "a: \xe9"],
    ["a: b\rc\r\n", "a: bc"],
    ["a: b\r\r\n", "a: b"],
    ["a: b\nc: d\r\n", "a: b|c: d"],
    ["a: b\n", "a: b"],
    ["a: b\r\n c\r\n", "a: b c"],
    ["a: b \r\n c \r\n", "a: b  c"],
    ["a:\r\n b\r\n", "a: b"],
    ["a: b\r\n \r\n", "a: b"],
    ["a_b: c\r\n", "a_b: c"],
    ["accept: a\r\naccept: b\r\n", "accept: a,b"],
    ["cookie: a\r\ncookie: b\r\n", "cookie: a|cookie: b"],
    ["content-length: 00\r\n", "content-length: 00"],
    ["expect: foo\r\n", "expect: foo"],
    ["upgrade: h2c\r\nconnection: upgrade, http2-settings, x\r\nhttp2-settings: AAA\r\n", "connection: x"],
    ["A B: c\r\n", CODEC_ERROR],
    [" a: b\r\n", INVALID_AUTHORITY],
    ["a : b\r\n", CODEC_ERROR],
    ["a\r\n", CODEC_ERROR],
    [":a: b\r\n", CODEC_ERROR],
    [": b\r\n", CODEC_ERROR],
    ["a\rb: c\r\n", CODEC_ERROR],
    ["\xe9: b\r\n", CODEC_ERROR],
    ["a(b: c\r\n", CODEC_ERROR],
    ["a: b\0c\r\n", INVALID_CHARACTERS],
    ["a: b\x01c\r\n", INVALID_CHARACTERS],
    ["a: b\x7fc\r\n", INVALID_CHARACTERS],
    ["a: \f\r\n", INVALID_CHARACTERS],
    ["a\0b: c\r\n", INVALID_CHARACTERS],
    ["host: a b\r\n", INVALID_AUTHORITY],
    ["content-length: x\r\n", CODEC_ERROR],
    ["content-length: \r\n", CODEC_ERROR],
    ["content-length: +0\r\n", CODEC_ERROR],
    ["content-length: -0\r\n", CODEC_ERROR],
    ["content-length: 0x0\r\n", CODEC_ERROR],
    ["content-length: 0, 0\r\n", CODEC_ERROR],
    ["content-length: 0\r\ncontent-length: 0\r\n", CODEC_ERROR],
    ["content-length: 99999999999999999999\r\n", CODEC_ERROR],
    ["transfer-encoding: gzip, chunked\r\n", INVALID_CODING],
    ["transfer-encoding: gzip\r\n", INVALID_CODING],
    ["transfer-encoding: \r\n", INVALID_CODING],
    ["transfer-encoding: chunked, chunked\r\n", INVALID_CODING],
    ["transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", INVALID_CODING],
    ["transfer-encoding: chunked;a=b\r\n", INVALID_CODING],
    ["transfer-encoding: \x0bchunked\r\n", INVALID_CHARACTERS],
    [
      "transfer-encoding: chunked\r\ncontent-length: 0\r\n",
      ["error 400 http1.content_length_and_chunked_not_allowed", "close protocol-error"],
    ],
  ];
  for (const [lines, expected] of table)
    it(JSON.stringify(lines), () => {
      assert.deepEqual(
        read("GET / HTTP/1.1", lines),
        Array.isArray(expected) ? expected : [`headers GET /  [h] ${expected} END`],
      );
    });

  it("names the same of several faults as Envoy does", () => {
    const refusal = (start: string, lines: string): string => read(start, lines)[0]!.split(" ")[2]!;
    assert.equal(refusal("GET / HTTP/1.1", "bad line\r\nx: \0\r\n"), "http1.invalid_characters");
    assert.equal(refusal("GET / HTTP/1.1", "host: a b\r\ncontent-length: x\r\n"), "http1.codec_error");
    assert.equal(
      refusal("GET / HTTP/1.1", "content-length: 0\r\ntransfer-encoding: gzip\r\n"),
      "http1.content_length_and_chunked_not_allowed",
    );
    assert.equal(refusal("GET * HTTP/1.1", "transfer-encoding: gzip\r\n"), "http1.invalid_transfer_encoding");
    assert.equal(refusal("GET / HTTP/1.0", "transfer-encoding: gzip\r\n"), "http1.invalid_transfer_encoding");
    assert.equal(refusal("GET / HTTP/1.0", "host: a b\r\n"), "low_version");
  });

  it("judges a first byte and a line at once, fields when all are there", () => {
    const partial = (text: string): string[] => {
      const { log, feed } = setUp();
      feed(text);
      return log.lines;
    };
    for (const text of ["\0", " ", "\x16\x03\x01", "SSH-2.0-x\r\n", "GET /\xe9 HTTP/1.1\r\n"])
      assert.deepEqual(partial(text), CODEC_ERROR, text);
    for (const text of [
      "x",
      "G@",
      "XYZ ",
      "GET /\0",
      "GET /\x01 HTTP/1.1\r\nhost",
      "GET / HTTP/1.0\r\n",
      "GET / HTTP/1.1\r\nbad\r\nbad\r\n",
    ])
      assert.deepEqual(partial(text), [], text);
  });

  it("joins repeated Hosts and checks their characters", () => {
    assert.deepEqual(read("GET / HTTP/1.1", "host: i\r\n"), ["headers GET /  [h,i]  END"]);
    for (const char of [" ", "/", "\\", '"', "<", "#", "?", "{", "|", "^", "`", "\xe9"])
      assert.deepEqual(read("GET / HTTP/1.1", `host: a${char}b\r\n`), INVALID_AUTHORITY, char);
    for (const char of ["@", ":", "'", "(", "~", "!", "%", "_", "[", "-"])
      assert.deepEqual(read("GET / HTTP/1.1", `host: a${char}b\r\n`).length, 1, char);
  });

  it("handles underscores as told", () => {
    assert.deepEqual(read("GET / HTTP/1.1", "a_b: c\r\nd: e\r\n", { underscores: "drop" }), [
      "headers GET /  [h] d: e END",
    ]);
    assert.deepEqual(read("GET / HTTP/1.1", "a_b: c\r\n", { underscores: "reject" }), [
      "error 400 http1.unexpected_underscore",
      "close protocol-error",
    ]);
  });

  it("takes a head of exactly the limit and no byte more", () => {
    const head = (total: number): string => {
      const rest = "GET / HTTP/1.1\r\nHost: h\r\na: \r\n\r\n".length;
      return `a: ${"x".repeat(total - rest)}\r\n`;
    };
    assert.match(read("GET / HTTP/1.1", head(61_440))[0]!, /^headers/);
    assert.deepEqual(read("GET / HTTP/1.1", head(61_441)), [
      "error 431 http1.headers_too_large",
      "close protocol-error",
    ]);
    const { log, feed } = setUp();
    for (let i = 0; i < 62; i++) feed("G".repeat(1000));
    assert.deepEqual(log.lines, ["error 431 http1.headers_too_large", "close protocol-error"]);
  });

  it("counts header lines, Host included", () => {
    const lines = (count: number): string => Array.from({ length: count }, (_, i) => `h${i}: v\r\n`).join("");
    assert.match(read("GET / HTTP/1.1", lines(99))[0]!, /^headers/);
    assert.deepEqual(read("GET / HTTP/1.1", lines(100)), [
      "error 431 http1.too_many_headers",
      "close protocol-error",
    ]);
  });
});

describe("H1ServerCodec exchanges", () => {
  it("answers pipelined requests in order, also when handlers answer later", () => {
    const { sink, log, feed, codec } = setUp({}, false);
    feed("GET /1 HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\n\r\nGET /3 HT");
    assert.deepEqual(log.lines, ["headers GET /1  [h]  END"]);
    respond(log, 200, []);
    assert.equal(sink.take(), OK);
    assert.equal(log.lines.length, 2);
    respond(log, 200, []);
    feed("TP/1.1\r\nhost: h\r\n\r\n");
    assert.equal(log.lines.at(-1), "headers GET /3  [h]  END");
    assert.equal(codec.activeStreams, 1);
    respond(log, 200, []);
    assert.equal(codec.activeStreams, 0);
  });

  it("stops reading when too much is pipelined", () => {
    const { sink, log, feed } = setUp({}, false);
    feed("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    feed("GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(4000));
    assert.equal(sink.pauses, 1);
    log.after = (stream) => {
      if (stream.complete) respond(log, 200, []);
    };
    respond(log, 200, []);
    assert.equal(sink.pauses, 0);
    assert.equal(log.lines.length, 4001);
  });

  it("closes after the response when asked, and says so where the map does not", () => {
    for (const line of ["connection: close", "connection: foo, Close", "proxy-connection: close"]) {
      const { sink, log, feed } = setUp();
      feed(`GET / HTTP/1.1\r\nhost: h\r\n${line}\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n`);
      assert.equal(sink.text, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
      assert.equal(log.lines.at(-1), "close done");
      assert.equal(log.lines.length, 2);
    }
  });

  it("closes when the response comes before the end of the request", () => {
    const { sink, log, feed } = setUp({}, false);
    feed("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nab");
    respond(log, 200, []);
    feed("cdeGET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert.match(sink.text, /connection: close/);
    assert.deepEqual(log.lines, ["headers POST /  [h] content-length: 5", "data ab", "close done"]);
  });

  it("speaks HTTP/1.0 where that is accepted", () => {
    const options = { acceptHttp10: true, defaultHostForHttp10: "d" };
    for (const [text, expected, reply] of [
      ["GET / HTTP/1.0\r\n\r\n", "[d]", "connection: close\r\ncontent-length: 2\r\n"],
      ["GET /\r\n\r\n", "[d]", "connection: close\r\ncontent-length: 2\r\n"],
      ["GET / HTTP/3.0\r\nhost: h\r\n\r\n", "[h]", "connection: close\r\ncontent-length: 2\r\n"],
      ["GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", "[d]", "connection: keep-alive\r\n"],
    ]) {
      const { sink, log, feed } = setUp(options, false);
      feed(text!);
      assert.ok(log.lines[0]!.includes(expected!));
      const map = HeaderMap.of([["content-length", "2"]]);
      map.status = 200;
      log.stream.headers(map, false);
      log.stream.data(Buffer.from("ok"), true);
      const closes = reply!.includes("close");
      assert.equal(
        sink.text,
        `HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: ${closes ? "close" : "keep-alive"}\r\n\r\nok`,
      );
      assert.equal(log.lines.length, closes ? 2 : 1);
    }
  });

  it("delimits an HTTP/1.0 response without length by closing", () => {
    const { sink, log, feed } = setUp({ acceptHttp10: true }, false);
    feed("GET / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n");
    const map = new HeaderMap();
    map.status = 200;
    log.stream.headers(map, false);
    log.stream.data(Buffer.from("ok"), true);
    assert.equal(sink.text, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nok");
    assert.equal(log.lines.at(-1), "close done");
  });

  it("answers expect: 100-continue itself", () => {
    const { sink, log, feed } = setUp({}, false);
    feed("POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\n");
    assert.equal(sink.take(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert.deepEqual(log.lines, ["headers POST /  [h] content-length: 2"]);
  });

  it("starts a stream with the first byte and cuts it when the client goes", () => {
    const { log, feed, codec } = setUp();
    feed("\r\n");
    assert.equal(codec.activeStreams, 0);
    feed("GET");
    assert.equal(codec.activeStreams, 1);
    assert.equal(log.stream.wireBytesReceived, 3);
    codec.onEnd();
    assert.deepEqual(log.lines, ["reset connection-termination", "close done"]);
  });

  it("drains: at once when idle, else after the response, which says so", () => {
    const idle = setUp();
    idle.codec.drain();
    assert.deepEqual(idle.log.lines, ["close drained"]);
    const busy = setUp({}, false);
    busy.feed("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    busy.codec.drain();
    respond(busy.log, 200, []);
    assert.match(busy.sink.text, /connection: close/);
    assert.equal(busy.log.lines.at(-1), "close drained");
  });

  it("resets: closes and ignores later calls", () => {
    const { sink, log, feed } = setUp({}, false);
    feed("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    const stream = log.stream;
    stream.reset("local-reset");
    stream.data(Buffer.from("x"), true);
    assert.equal(sink.text, "");
    assert.deepEqual(log.lines, ["headers GET /  [h]  END", "close done"]);
  });

  it("holds data back while a stream is paused", () => {
    const { sink, log, feed } = setUp({}, false);
    feed("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\nab");
    log.stream.pause();
    log.stream.pause();
    assert.equal(sink.pauses, 1);
    feed("cd");
    feed("ef");
    assert.equal(log.lines.at(-1), "data ab");
    log.stream.resume();
    assert.equal(sink.pauses, 0);
    assert.equal(log.lines.at(-1), "data abcdef END");
  });
});
