import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerLog, TextSink } from "../../testing/codec-log.ts";
import { HeaderMap } from "../header-map.ts";
import { DEFAULT_SERVER_OPTIONS } from "./options.ts";
import { H1ServerCodec } from "./server-codec.ts";

/** What is written for a response of these parts. */
function write(
  status: number,
  lines: [string, string][],
  body: string[] | undefined,
  { method = "GET", trailers = undefined as [string, string][] | undefined, enableTrailers = false } = {},
): string {
  const sink = new TextSink();
  const log = new ServerLog();
  const codec = new H1ServerCodec(sink, log, { ...DEFAULT_SERVER_OPTIONS, enableTrailers });
  const bytes = Buffer.from(`${method} / HTTP/1.1\r\nhost: h\r\n\r\n`);
  codec.feed(bytes, 0, bytes.length);
  const { stream } = log;
  const map = HeaderMap.of(lines);
  map.status = status;
  stream.headers(map, body === undefined);
  body?.forEach((chunk, i) =>
    stream.data(Buffer.from(chunk), i === body.length - 1 && trailers === undefined),
  );
  if (trailers !== undefined) stream.trailers(HeaderMap.of(trailers));
  assert.equal(stream.wireBytesSent, sink.text.length);
  assert.equal(codec.activeStreams, 0);
  return sink.text;
}

const CHUNKED = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

describe("H1ServerStream", () => {
  it("writes fixed bodies", () => {
    assert.equal(
      write(200, [["content-length", "3"]], ["ab", "c"]),
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
    );
  });

  it("writes chunks without a length", () => {
    assert.equal(write(200, [], ["ab", "", "c"]), `${CHUNKED}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`);
    assert.equal(write(200, [], ["ab", ""]), `${CHUNKED}2\r\nab\r\n0\r\n\r\n`);
    const long = "x".repeat(5000);
    assert.equal(write(200, [], [long, long]), `${CHUNKED}${`1388\r\n${long}\r\n`.repeat(2)}0\r\n\r\n`);
  });

  it("says content-length: 0 last when there is no body", () => {
    assert.equal(write(200, [["a", "b"]], undefined), "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 0\r\n\r\n");
    assert.equal(write(299, [], undefined), "HTTP/1.1 299 Unknown\r\ncontent-length: 0\r\n\r\n");
  });

  it("writes no body and no length where none may be", () => {
    assert.equal(write(204, [], undefined), "HTTP/1.1 204 No Content\r\n\r\n");
    assert.equal(write(204, [["content-length", "0"]], undefined), "HTTP/1.1 204 No Content\r\n\r\n");
    assert.equal(write(304, [], undefined), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert.equal(
      write(304, [["content-length", "5"]], undefined),
      "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    );
    assert.equal(
      write(304, [["transfer-encoding", "chunked"]], undefined),
      "HTTP/1.1 304 Not Modified\r\n\r\n",
    );
  });

  it("answers HEAD with the head of a GET", () => {
    const method = "HEAD";
    assert.equal(
      write(200, [["content-length", "2"]], ["ok"], { method }),
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
    );
    assert.equal(write(200, [], undefined, { method }), CHUNKED);
    assert.equal(write(200, [], ["ok"], { method }), CHUNKED);
  });

  it("writes trailers only where they are enabled and the body is chunked", () => {
    const trailers: [string, string][] = [["t", "v"]];
    assert.equal(write(200, [], ["ab"], { trailers }), `${CHUNKED}2\r\nab\r\n0\r\n\r\n`);
    assert.equal(
      write(200, [], ["ab"], { trailers, enableTrailers: true }),
      `${CHUNKED}2\r\nab\r\n0\r\nt: v\r\n\r\n`,
    );
    assert.equal(
      write(200, [["content-length", "2"]], ["ab"], { trailers, enableTrailers: true }),
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
    );
  });

  it("writes interim responses before the final one only", () => {
    const sink = new TextSink();
    const log = new ServerLog();
    const codec = new H1ServerCodec(sink, log, DEFAULT_SERVER_OPTIONS);
    const bytes = Buffer.from("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    codec.feed(bytes, 0, bytes.length);
    log.stream.interim(103, HeaderMap.of([["link", "x"]]));
    assert.equal(sink.take(), "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    const map = new HeaderMap();
    map.status = 200;
    log.stream.headers(map, false);
    sink.take();
    log.stream.interim(103, undefined);
    assert.equal(sink.text, "");
  });

  it("tells when the sink is full and passes the drain on", () => {
    const sink = new TextSink();
    const log = new ServerLog();
    const codec = new H1ServerCodec(sink, log, DEFAULT_SERVER_OPTIONS);
    const bytes = Buffer.from("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    codec.feed(bytes, 0, bytes.length);
    const map = new HeaderMap();
    map.status = 200;
    log.stream.headers(map, false);
    assert.equal(log.stream.data(Buffer.from("a"), false), true);
    sink.full = true;
    assert.equal(log.stream.data(Buffer.from("b"), false), false);
    codec.onDrain();
    assert.equal(log.lines.at(-1), "drain");
  });
});
