import assert from "node:assert/strict";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { GrpcClient, GrpcError } from "./client.ts";
import { encodeFrame, FrameDecoder } from "./frame.ts";
import { decodeGrpcMessage, encodeGrpcMessage } from "./status.ts";

async function serve(
  onStream: (stream: http2.ServerHttp2Stream) => void,
): Promise<{ port: number; close(): void }> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", onStream);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

const client = (port: number): GrpcClient =>
  new GrpcClient({ host: "127.0.0.1", port }, { authority: "test", connectTimeout: 1000, maxMessage: 1000 });

function echo(stream: http2.ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  const decoder = new FrameDecoder();
  stream.on("data", (chunk: Buffer) => decoder.push(chunk).forEach((m) => stream.write(encodeFrame(m))));
  stream.on("end", () => stream.end());
}

test("GrpcClient.unary() returns the response", async () => {
  const server = await serve(echo);
  const c = client(server.port);
  assert.equal((await c.unary("/a.B/C", Buffer.from("hello"), 1000)).toString(), "hello");
  c.close();
  server.close();
});

test("GrpcClient.unary() rejects with the server's status", async () => {
  const server = await serve((stream) =>
    stream.respond({ ":status": 200, "grpc-status": "7", "grpc-message": "not%20you" }, { endStream: true }),
  );
  const c = client(server.port);
  await assert.rejects(c.unary("/a.B/C", Buffer.from("x"), 1000), (error: GrpcError) => {
    assert.deepEqual(error.status, { code: 7, message: "not you" });
    return true;
  });
  c.close();
  server.close();
});

test("GrpcClient.unary() ends at its deadline, at HTTP errors, at long messages, and without a server", async () => {
  const server = await serve(() => undefined);
  const c = client(server.port);
  await assert.rejects(c.unary("/a.B/C", Buffer.from("x"), 50), /status 4: no answer within 50 ms/);
  c.close();
  server.close();
  const html = await serve((stream) => stream.respond({ ":status": 503 }, { endStream: true }));
  const d = client(html.port);
  await assert.rejects(d.unary("/a.B/C", Buffer.from("x"), 1000), /status 14: HTTP status 503/);
  d.close();
  html.close();
  const long = await serve((stream) => {
    stream.respond({ ":status": 200 });
    stream.end(encodeFrame(Buffer.alloc(2000)));
  });
  const e = client(long.port);
  await assert.rejects(
    e.unary("/a.B/C", Buffer.from("x"), 1000),
    /status 13: message of 2000 bytes is larger/,
  );
  e.close();
  long.close();
  await assert.rejects(
    client(long.port).unary("/a.B/C", Buffer.from("x"), 1000),
    /status 14: connect ECONNREFUSED/,
  );
});

test("GrpcClient.open() ends when the server goes away", async () => {
  const server = await serve(echo);
  const c = client(server.port);
  const ended = Promise.withResolvers<number>();
  const stream = c.open("/a.B/C", {
    onMessage: () => server.close(),
    onEnd: (status) => ended.resolve(status.code),
  });
  stream.send(Buffer.from("hi"));
  assert.equal(await ended.promise, 14);
  c.close();
});

test("FrameDecoder.push() takes any cut of the bytes", () => {
  const bytes = Buffer.concat([
    encodeFrame(Buffer.from("abc")),
    encodeFrame(Buffer.alloc(0)),
    encodeFrame(Buffer.from("z")),
  ]);
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new FrameDecoder();
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const message of decoder.push(bytes.subarray(at, at + size))) found.push(message.toString());
    }
    assert.deepEqual(found, ["abc", "", "z"]);
    assert.equal(decoder.pending, 0);
  }
});

test("encodeGrpcMessage() and decodeGrpcMessage() undo each other", () => {
  for (const text of ["plain", "50 % ü\n", ""])
    assert.equal(decodeGrpcMessage(encodeGrpcMessage(text)), text);
  assert.equal(decodeGrpcMessage("%zz"), "%zz");
});
