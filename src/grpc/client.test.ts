import assert from "node:assert/strict";
import http2, { type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import test, { type TestContext } from "node:test";
import { TestClusters } from "../testing/test-clusters.ts";
import { waitUntil } from "../testing/wait-until.ts";
import type { GrpcStream } from "./client-call.ts";
import { GrpcClient, type GrpcClientOptions } from "./client.ts";
import { encodeFrame, FrameDecoder } from "./frame.ts";
import { decodeGrpcMessage, encodeGrpcMessage, type GrpcStatus } from "./status.ts";

// The client over a cluster of the proxy, and Node's HTTP/2 server.

type Handle = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

async function serve(t: TestContext, handle: Handle, options: Partial<GrpcClientOptions> = {}) {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    handle(stream, headers);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const clusters = new TestClusters();
  clusters.http2("service", (server.address() as AddressInfo).port);
  const cut = (): void => {
    for (const session of sessions) session.destroy();
    server.close();
  };
  t.after(() => {
    clusters.close();
    cut();
  });
  const client = new GrpcClient(clusters.clusters.calls, { cluster: "service", ...options });
  return { clusters, client, cut };
}

/** The response's text, or the status if there is none. */
function call(client: GrpcClient, request: string): Promise<string | GrpcStatus> {
  return new Promise((resolve) => {
    client.unary("/a.B/C", Buffer.from(request), {
      onResponse: (message) => resolve(message.toString()),
      onFailure: resolve,
    });
  });
}

const echo: Handle = (stream) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  const decoder = new FrameDecoder();
  stream.on("data", (chunk: Buffer) => decoder.push(chunk).forEach((m) => stream.write(encodeFrame(m))));
  stream.on("end", () => stream.end());
};

test("GrpcClient.unary() sends what a service expects, returns its response, and counts both", async (t) => {
  let seen: IncomingHttpHeaders = {};
  const { client, clusters } = await serve(
    t,
    (stream, headers) => {
      seen = headers;
      echo(stream, headers);
    },
    { authority: "me", metadata: [["x-a", "1"]], timeout: 2000 },
  );
  assert.equal(await call(client, "hello"), "hello");
  const { ":method": method, ":path": path, ":authority": authority, te } = seen;
  assert.deepEqual([method, path, authority, te], ["POST", "/a.B/C", "me", "trailers"]);
  assert.deepEqual(
    [seen["content-type"], seen["grpc-timeout"], seen["x-a"]],
    ["application/grpc", "2000m", "1"],
  );
  const { upstream_rq_total, upstream_rq_200, upstream_rq_active } = clusters.counts("service");
  assert.deepEqual([upstream_rq_total, upstream_rq_200, upstream_rq_active], [1, 1, undefined]);
});

test("GrpcClient.unary() tells the server's status, with and without a body", async (t) => {
  const short = await serve(t, (stream) =>
    stream.respond({ ":status": 200, "grpc-status": "7", "grpc-message": "not%20you" }, { endStream: true }),
  );
  assert.deepEqual(await call(short.client, "x"), { code: 7, message: "not you" });
  const long = await serve(t, (stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "5", "grpc-message": "gone" }));
    stream.end(encodeFrame(Buffer.from("in vain")));
  });
  assert.deepEqual(await call(long.client, "x"), { code: 5, message: "gone" });
});

test("GrpcClient.unary() ends at its timeout, at HTTP errors, at long messages, and without a server", async (t) => {
  const silent = await serve(t, () => undefined, { timeout: 50 });
  assert.deepEqual(await call(silent.client, "x"), { code: 4, message: "upstream request timeout" });
  assert.equal(silent.clusters.counts("service")["upstream_rq_timeout"], 1);
  const html = await serve(t, (stream) => stream.respond({ ":status": 503 }, { endStream: true }));
  assert.deepEqual(await call(html.client, "x"), { code: 14, message: "HTTP status 503" });
  const long = await serve(
    t,
    (stream) => {
      stream.respond({ ":status": 200 });
      stream.end(encodeFrame(Buffer.alloc(2000)));
    },
    { maxMessage: 1000 },
  );
  assert.equal(((await call(long.client, "x")) as GrpcStatus).code, 8);
  const gone = await serve(t, echo);
  gone.cut();
  assert.deepEqual(await call(gone.client, "x"), {
    code: 14,
    message:
      "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, " +
      "transport failure reason: delayed_connect_error:_Connection_refused",
  });
  const nobody = new GrpcClient(gone.clusters.clusters.calls, { cluster: "nobody" });
  assert.deepEqual(await call(nobody, "x"), { code: 14, message: "unknown cluster 'nobody'" });
});

test("GrpcClient.open() carries messages both ways and ends when the server goes away", async (t) => {
  const { client, cut } = await serve(t, echo);
  const ended = Promise.withResolvers<number>();
  const seen: string[] = [];
  const stream: GrpcStream = client.open("/a.B/C", {
    onMessage: (message) => {
      seen.push(message.toString());
      if (seen.length < 3) stream.send(Buffer.from(`m${seen.length}`));
      else cut();
    },
    onEnd: (status) => ended.resolve(status.code),
  });
  stream.send(Buffer.from("m0"));
  assert.equal(await ended.promise, 14);
  assert.deepEqual(seen, ["m0", "m1", "m2"]);
});

test("GrpcStream.pause() holds back messages and their end, and slows the server down", async (t) => {
  const total = 64;
  const written: number[] = [];
  const { client } = await serve(t, (stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const next = (): void => {
      if (written.length === total) return void stream.end();
      written.push(stream.writableLength);
      stream.write(encodeFrame(Buffer.alloc(1024 * 1024)), next);
    };
    next();
  });
  const ended = Promise.withResolvers<number>();
  let messages = 0;
  const stream: GrpcStream = client.open("/a.B/C", {
    onMessage: () => {
      messages++;
      if (messages === 1) stream.pause();
    },
    onEnd: (status) => ended.resolve(status.code),
  });
  stream.end();
  await waitUntil("a message", () => messages > 0);
  const before = written.length;
  assert.ok(before < total, "the server cannot write on");
  assert.equal(messages, 1);
  stream.resume();
  assert.equal(await ended.promise, 0);
  assert.equal(messages, total);
});

test("GrpcStream.cancel() ends the exchange in silence", async (t) => {
  const closed = Promise.withResolvers<void>();
  const { client, clusters } = await serve(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.write(encodeFrame(Buffer.from("one")));
    stream.on("close", () => closed.resolve());
  });
  const stream: GrpcStream = client.open("/a.B/C", {
    onMessage: () => stream.cancel(),
    onEnd: () => assert.fail("it was cancelled"),
  });
  await closed.promise;
  assert.equal(clusters.counts("service")["upstream_rq_active"], undefined);
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
