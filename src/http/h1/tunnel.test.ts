import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "../header-map.ts";
import type { ByteSink, CodecStream, StreamHandler } from "../stream.ts";
import { H1ClientCodec } from "./client-codec.ts";
import { DEFAULT_CLIENT_OPTIONS, DEFAULT_SERVER_OPTIONS } from "./options.ts";
import { H1ServerCodec } from "./server-codec.ts";

class TextSink implements ByteSink {
  text = "";
  writeText(text: string): void {
    this.text += text;
  }
  writeBytes(bytes: Buffer): boolean {
    this.text += bytes.toString("latin1");
    return true;
  }
  pauseReading(): void {}
  resumeReading(): void {}
}

class Recorder implements StreamHandler {
  heads: HeaderMap[] = [];
  body = "";
  ends = "";
  onInterim(): void {}
  onHeaders(headers: HeaderMap, end: boolean): void {
    this.heads.push(headers);
    if (end) this.ends += "end;";
  }
  onData(chunk: Buffer, end: boolean): void {
    this.body += chunk.toString("latin1");
    if (end) this.ends += "end;";
  }
  onTrailers(): void {}
  onReset(reason: string): void {
    this.ends += `reset ${reason};`;
  }
  onCodecError(error: { details: string }): void {
    this.ends += `error ${error.details};`;
  }
  onDrain(): void {}
}

function server(text: string): {
  sink: TextSink;
  handler: Recorder;
  stream: CodecStream;
  feed(more: string): void;
} {
  const sink = new TextSink();
  const handler = new Recorder();
  let stream: CodecStream | undefined;
  const owner = {
    onStream(opened: CodecStream) {
      stream = opened;
      return handler;
    },
    onClose() {},
  };
  const codec = new H1ServerCodec(sink, owner, DEFAULT_SERVER_OPTIONS);
  const feed = (more: string): void => codec.feed(Buffer.from(more, "latin1"), 0, more.length);
  feed(text);
  return { sink, handler, stream: stream!, feed };
}

function response(status: number, ...pairs: [string, string][]): HeaderMap {
  const headers = HeaderMap.of(pairs);
  headers.status = status;
  return headers;
}

const UPGRADE = "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

test("H1ServerCodec passes bytes as they are after 101", () => {
  const { sink, handler, stream, feed } = server(UPGRADE + "early");
  stream.headers(response(101, ["connection", "Upgrade"], ["upgrade", "websocket"]), false);
  stream.data(Buffer.from("out"), false);
  feed("GET / HTTP/1.1\r\n\r\n");
  assert.equal(
    sink.text,
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nout",
  );
  assert.equal(handler.body, "earlyGET / HTTP/1.1\r\n\r\n");
  assert.equal(handler.heads.length, 1);
});

test("H1ServerCodec closes after any other answer to an upgrade", () => {
  const { sink, stream } = server(UPGRADE);
  stream.headers(response(403, ["content-length", "2"]), false);
  stream.data(Buffer.from("no"), true);
  assert.equal(sink.text, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
});

test("H1ServerCodec adds nothing to the 200 of a CONNECT, and refuses bodies", () => {
  const connect = "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n";
  const { sink, stream } = server(connect + "\r\n");
  stream.headers(response(200), false);
  assert.equal(sink.text, "HTTP/1.1 200 OK\r\n\r\n");
  assert.equal(server(connect + "content-length: 1\r\n\r\n").handler.ends, "error http1.body_disallowed;");
  assert.equal(
    server(connect + "transfer-encoding: chunked\r\n\r\n").handler.ends,
    "error http1.invalid_transfer_encoding;",
  );
});

test("H1ClientCodec takes the end of a tunnel for a reset", () => {
  const sink = new TextSink();
  const handler = new Recorder();
  const codec = new H1ClientCodec(sink, { onIdle() {}, onUnusable() {} }, DEFAULT_CLIENT_OPTIONS);
  const request = HeaderMap.of([
    ["connection", "Upgrade"],
    ["upgrade", "websocket"],
  ]);
  request.method = "GET";
  request.path = "/";
  request.authority = "a";
  const stream = codec.newStream(handler);
  stream.headers(request, false);
  stream.data(Buffer.from("raw"), false);
  const answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nin";
  codec.feed(Buffer.from(answer), 0, answer.length);
  assert.equal(
    sink.text,
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nraw",
  );
  assert.equal(handler.body, "in");
  codec.onEnd();
  assert.equal(handler.ends, "reset connection-termination;");
});
