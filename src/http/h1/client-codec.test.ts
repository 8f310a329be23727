import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PoolLog, StreamLog, TextSink } from "../../testing/codec-log.ts";
import { HeaderMap } from "../header-map.ts";
import { H1ClientCodec } from "./client-codec.ts";
import { DEFAULT_CLIENT_OPTIONS, type H1ClientOptions } from "./options.ts";

function setUp(options: Partial<H1ClientOptions> = {}) {
  const lines: string[] = [];
  const sink = new TextSink();
  const codec = new H1ClientCodec(sink, new PoolLog(lines), { ...DEFAULT_CLIENT_OPTIONS, ...options });
  const feed = (text: string): void => {
    const bytes = Buffer.from(text, "latin1");
    codec.feed(bytes, 0, bytes.length);
  };
  const open = (method = "GET", headers: [string, string][] = [], end = true) => {
    const log = new StreamLog(lines);
    const stream = codec.newStream(log);
    const map = HeaderMap.of(headers);
    map.method = method;
    map.path = "/p";
    map.authority = "h";
    stream.headers(map, end);
    return { log, stream };
  };
  return { lines, sink, codec, feed, open };
}

/** Events after a request of this method and these bytes in return. */
function read(bytes: string, method = "GET", options: Partial<H1ClientOptions> = {}): string[] {
  const { lines, feed, open } = setUp(options);
  open(method);
  feed(bytes);
  return lines;
}

const BODY = "content-length: 2\r\n\r\nok";
const OK = ["headers 200 content-length: 2", "data ok END", "idle"];
const OK_CLOSE = ["headers 200 content-length: 2", "data ok END", "unusable close"];
const CODEC_ERROR = ["reset protocol-error http1.codec_error", "unusable protocol-error"];
const INVALID_CHARACTERS = ["reset protocol-error http1.invalid_characters", "unusable protocol-error"];

describe("H1ClientCodec status line", () => {
  const table: [line: string, expected: string[]][] = [
    ["HTTP/1.1 200 OK", OK],
    ["HTTP/1.1 200", OK],
    ["HTTP/1.1 200 ", OK],
    ["HTTP/1.1  200 OK", OK],
    ["HTTP/1.1\t200 OK", OK],
    ["HTTP/1.1 200 O\x80K", OK],
    ["HTTP/1.0 200 OK", OK_CLOSE],
    ["HTTP/0.9 200 OK", OK_CLOSE],
    ["HTTP/2.0 200 OK", OK_CLOSE],
    ["HTTP/1.1 999 X", ["headers 999 content-length: 2", "data ok END", "idle"]],
    ["HTTP/1.1 2000 OK", ["headers 2000 content-length: 2", "data ok END", "idle"]],
    ["http/1.1 200 OK", CODEC_ERROR],
    ["HTTP/1.1 20 OK", CODEC_ERROR],
    ["HTTP/1.1 abc OK", CODEC_ERROR],
    ["HTTP/1.1 099 X", CODEC_ERROR],
    ["HTTP/1.1 000 X", CODEC_ERROR],
    ["HTTP/1.1 -200 OK", CODEC_ERROR],
    ["HTTP/1.1 1e2 OK", CODEC_ERROR],
    ["HTTP/1.1 200OK", CODEC_ERROR],
    ["HTTP/1.1", CODEC_ERROR],
    ["XTTP/1.1 200 OK", CODEC_ERROR],
    ["HTTP/11 200 OK", CODEC_ERROR],
    [" HTTP/1.1 200 OK", CODEC_ERROR],
    ["\r\nHTTP/1.1 200 OK", CODEC_ERROR],
    ["HTTP/1.1 200 O\x01K", INVALID_CHARACTERS],
    ["HTTP/1.1 200 O\0K", INVALID_CHARACTERS],
  ];
  for (const [line, expected] of table)
    it(JSON.stringify(line), () => assert.deepEqual(read(`${line}\r\n${BODY}`), expected));
});

describe("H1ClientCodec responses", () => {
  const table: [rest: string, expected: string[], method?: string][] = [
    [`200 OK\r\nA-B:  c \r\n${BODY}`, ["headers 200 a-b: c|content-length: 2", "data ok END", "idle"]],
    [
      `200 OK\r\nhost: x\r\nset-cookie: a\r\nset-cookie: b\r\nvary: a\r\nvary: b\r\n${BODY}`,
      ["headers 200 host: x|set-cookie: a|set-cookie: b|vary: a,b|content-length: 2", "data ok END", "idle"],
    ],
    [
      `200 OK\r\nconnection: close\r\n${BODY}`,
      ["headers 200 connection: close|content-length: 2", "data ok END", "unusable close"],
    ],
    ["200 OK\r\ncontent-length: 0\r\n\r\n", ["headers 200 content-length: 0 END", "idle"]],
    [`200 OK\r\n${BODY}X`, [...OK.slice(0, 2), "unusable protocol-error"]],
    [`200 OK\r\na b: c\r\n${BODY}`, CODEC_ERROR],
    [`200 OK\r\n:status: 200\r\n${BODY}`, CODEC_ERROR],
    [`200 OK\r\na: \0\r\n${BODY}`, INVALID_CHARACTERS],
    [`200 OK\r\ncontent-length: 2\r\n${BODY}`, CODEC_ERROR],
    [`200 OK\r\ncontent-length: x\r\n\r\n`, CODEC_ERROR],
    [
      "200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
      ["reset protocol-error http1.content_length_and_chunked_not_allowed", "unusable protocol-error"],
    ],
    [
      "200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
      ["reset protocol-error http1.invalid_transfer_encoding", "unusable protocol-error"],
    ],
    [
      "200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\na: b\r\n\r\n",
      ["long-body true", "headers 200 transfer-encoding: chunked", "data ok END", "long-body false", "idle"],
    ],
    [
      "200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
      [
        "long-body true",
        "headers 200 transfer-encoding: chunked",
        "reset protocol-error http1.codec_error",
        "long-body false",
        "unusable protocol-error",
      ],
    ],
    ["204 No\r\n\r\n", ["headers 204  END", "idle"]],
    ["204 No\r\ncontent-length: 0\r\n\r\n", ["headers 204 content-length: 0 END", "idle"]],
    ["204 No\r\ncontent-length: 5\r\n\r\n", CODEC_ERROR],
    ["204 No\r\ntransfer-encoding: chunked\r\n\r\n", CODEC_ERROR],
    ["304 NM\r\ncontent-length: 5\r\n\r\n", ["headers 304 content-length: 5 END", "idle"]],
    ["200 OK\r\ncontent-length: 5\r\n\r\n", ["headers 200 content-length: 5 END", "idle"], "HEAD"],
    [
      "200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
      ["headers 200 transfer-encoding: chunked END", "idle"],
      "HEAD",
    ],
    [
      "200 OK\r\ncontent-length: 1\r\n\r\nh",
      ["headers 200 content-length: 1 END", "unusable protocol-error"],
      "HEAD",
    ],
    [`100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${BODY}`, ["interim 100", ...OK]],
    [`103 E\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n${BODY}`, ["interim 103 link: x", ...OK]],
    ["100 Continue\r\ncontent-length: 3\r\n\r\n", CODEC_ERROR],
    ["101 Switching\r\n\r\n", ["headers 101  END", "unusable close"]],
  ];
  for (const [rest, expected, method] of table)
    it(`${method ?? ""}${JSON.stringify(rest)}`, () =>
      assert.deepEqual(read(`HTTP/1.1 ${rest}`, method), expected));

  it("takes a head of exactly the limit and no byte more", () => {
    const head = (total: number): string => {
      const rest = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\na: \r\n\r\n".length;
      return `HTTP/1.1 200 OK\r\ncontent-length: 0\r\na: ${"x".repeat(total - rest)}\r\n\r\n`;
    };
    assert.equal(read(head(81_920)).at(-1), "idle");
    assert.deepEqual(read(head(81_921)), [
      "reset protocol-error http1.headers_too_large",
      "unusable protocol-error",
    ]);
  });

  it("passes trailers on where they are enabled", () => {
    const lines = read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\n", "GET", {
      enableTrailers: true,
    });
    assert.deepEqual(lines.slice(2, 3), ["trailers a: b"]);
  });

  it("tells of a cut: before the head, within it, within and at the end of a body", () => {
    const cut = (bytes: string): string[] => {
      const { lines, codec, feed, open } = setUp();
      open();
      feed(bytes);
      codec.onEnd();
      codec.onConnectionClosed("");
      return lines.filter((line) => !line.startsWith("headers") && !line.startsWith("long"));
    };
    assert.deepEqual(cut(""), ["reset connection-termination", "unusable close"]);
    assert.deepEqual(cut("HTTP/1.1 20"), ["reset protocol-error", "unusable close"]);
    const head = "HTTP/1.1 200 OK\r\n";
    assert.deepEqual(cut(`${head}content-length: 9\r\n\r\nabc`), [
      "data abc",
      "reset protocol-error",
      "unusable close",
    ]);
    assert.deepEqual(cut(`${head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`), [
      "data abc",
      "reset protocol-error",
      "unusable close",
    ]);
    assert.deepEqual(cut(`${head}\r\nabc`), ["data abc END", "unusable close"]);
    assert.deepEqual(cut(`${head}\r\n`), ["data  END", "unusable close"]);
  });

  it("is unusable after bytes on an idle connection, after a reset and after an early response", () => {
    const idle = setUp();
    idle.feed("x");
    assert.deepEqual(idle.lines, ["unusable protocol-error"]);
    assert.equal(idle.codec.availableStreams, 0);
    const reset = setUp();
    reset.open().stream.reset("local-reset");
    reset.feed("HTTP/1.1 200 OK\r\n\r\n");
    assert.deepEqual(reset.lines, ["unusable close"]);
    const early = setUp();
    early.open("POST", [["content-length", "5"]], false);
    early.feed(`HTTP/1.1 200 OK\r\n${BODY}`);
    assert.deepEqual(early.lines, [...OK.slice(0, 2), "unusable unfinished-request"]);
  });

  it("holds data back while a stream is paused, also over the peer's end", () => {
    const { lines, sink, codec, feed, open } = setUp();
    const { stream } = open();
    feed("HTTP/1.1 200 OK\r\n\r\nab");
    stream.pause();
    feed("cd");
    codec.onEnd();
    codec.onConnectionClosed("");
    assert.equal(lines.at(-1), "data ab");
    stream.resume();
    assert.equal(sink.pauses, 0);
    assert.deepEqual(lines.slice(2), ["data abcd END", "long-body false", "unusable close"]);
  });
});

describe("H1ClientStream", () => {
  it("frames requests by method and body", () => {
    const write = (method: string, headers: [string, string][], body?: string[]): string => {
      const { sink, open } = setUp();
      const { stream } = open(method, headers, body === undefined);
      body?.forEach((chunk, i) => stream.data(Buffer.from(chunk), i === body.length - 1));
      assert.equal(stream.wireBytesSent, sink.text.length);
      return sink.text;
    };
    for (const method of ["GET", "HEAD", "DELETE", "TRACE"])
      assert.equal(write(method, [["a", "b"]]), `${method} /p HTTP/1.1\r\nhost: h\r\na: b\r\n\r\n`);
    for (const method of ["POST", "PUT", "PATCH", "OPTIONS", "PURGE"])
      assert.equal(write(method, []), `${method} /p HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n`);
    assert.equal(
      write("GET", [["content-length", "0"]]),
      "GET /p HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n",
    );
    assert.equal(
      write("POST", [["content-length", "3"]], ["ab", "c"]),
      "POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc",
    );
    assert.equal(
      write("GET", [["transfer-encoding", "x"]], ["ab", ""]),
      "GET /p HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    );
  });

  it("writes the whole URL where asked", () => {
    const { sink, open } = setUp({ sendFullyQualifiedUrl: true });
    open();
    assert.equal(sink.text, "GET http://h/p HTTP/1.1\r\nhost: h\r\n\r\n");
  });
});
