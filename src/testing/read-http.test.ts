import assert from "node:assert/strict";
import { test } from "node:test";
import { readHttpMessage } from "./read-http.ts";

test("readHttpMessage() reads a body with length and says where the next message begins", () => {
  const text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204";
  const message = readHttpMessage(text, 0)!;
  assert.equal(message.body, "abc");
  assert.equal(message.complete, true);
  assert.equal(text.slice(message.end), "HTTP/1.1 204");
});

test("readHttpMessage() joins chunks and keeps trailers", () => {
  const text =
    "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nx-t: v\r\n\r\n";
  const message = readHttpMessage(text, 0)!;
  assert.equal(message.body, "abc");
  assert.deepEqual(message.trailerLines, ["x-t: v"]);
  assert.equal(message.end, text.length);
});

test("readHttpMessage() knows which responses have no body", () => {
  const head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
  assert.equal(readHttpMessage(head, 0, { method: "HEAD" })!.complete, true);
  assert.equal(readHttpMessage(head, 0)!.complete, false);
  assert.equal(readHttpMessage("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 0)!.complete, true);
});

test("readHttpMessage() completes a response without length when the peer ends", () => {
  const text = "HTTP/1.1 200 OK\r\n\r\nall";
  assert.equal(readHttpMessage(text, 0)!.complete, false);
  assert.equal(readHttpMessage(text, 0, { ended: true })!.complete, true);
});
