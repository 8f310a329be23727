import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../src/http/header-map.ts";
import { H1ClientCodec } from "../../src/http/h1/client-codec.ts";
import { DEFAULT_CLIENT_OPTIONS, DEFAULT_SERVER_OPTIONS } from "../../src/http/h1/options.ts";
import { H1ServerCodec } from "../../src/http/h1/server-codec.ts";
import { PoolLog, ServerLog, StreamLog, TextSink } from "../../src/testing/codec-log.ts";
import { cut } from "./cut.ts";
import { fuzz, inPieces } from "./fuzz.ts";

// What a codec tells must not depend on how bytes are split, nothing may throw, and no input may take long.

const REQUESTS = [
  "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
  "POST /p?q=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nAccept: */*\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
  "GET http://u@o:80/p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
  "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw bytes",
  "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\nraw bytes",
];
const RESPONSES = [
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\nok",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nt: v\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
  "HTTP/1.1 204 No Content\r\n\r\n",
];
const PARTS = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  "\r\n\r\n",
  "0\r\n\r\n",
  "ffffffffffffffff",
  ",",
  ";",
  "\x80",
  "\x7f",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "Host: i\r\n",
  "HTTP/1.0",
  "-1",
];

const latin1 = (text: string) => Buffer.from(text, "latin1");

describe("H1 codecs under mutated bytes", () => {
  it("H1ServerCodec never throws or hangs, and splits do not matter", () =>
    fuzz({ name: "h1-server", seeds: REQUESTS.map(latin1), parts: PARTS.map(latin1), play: cut(serve) }));

  it("H1ClientCodec never throws or hangs, and splits do not matter", () =>
    fuzz({ name: "h1-client", seeds: RESPONSES.map(latin1), parts: PARTS.map(latin1), play: cut(call) }));
});

function serve(bytes: Buffer, step: number): string {
  const log = new ServerLog();
  const sink = new TextSink();
  log.after = (stream, event) => {
    if (event !== "error" && !stream.complete) return;
    const map = new HeaderMap();
    map.status = event === "error" ? 400 : 200;
    log.stream.headers(map, true);
  };
  const codec = new H1ServerCodec(sink, log, {
    ...DEFAULT_SERVER_OPTIONS,
    acceptHttp10: true,
    enableTrailers: true,
  });
  inPieces(bytes, step, (piece) => codec.feed(piece, 0, piece.length));
  codec.onEnd();
  assert.equal(sink.pauses, 0);
  return `${log.lines.join("\n")}\nwrote ${JSON.stringify(sink.text)}`;
}

function call(bytes: Buffer, step: number): string {
  const lines: string[] = [];
  const sink = new TextSink();
  const codec = new H1ClientCodec(sink, new PoolLog(lines), {
    ...DEFAULT_CLIENT_OPTIONS,
    enableTrailers: true,
  });
  const map = new HeaderMap();
  map.method = "GET";
  map.path = "/";
  map.authority = "h";
  codec.newStream(new StreamLog(lines)).headers(map, true);
  inPieces(bytes, step, (piece) => codec.feed(piece, 0, piece.length));
  codec.onEnd();
  assert.equal(sink.pauses, 0);
  // What follows the response may come with it or after it, so the last word differs.
  return lines.join("\n").replace(/(?:idle\n)?unusable \S+$/, "over");
}
