import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ClientHttp2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { connectH2, Echo, startH2Server, type H2TestClient } from "../../testing/h2-peers.ts";
import { requestMap } from "../../testing/h2-play.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { HeaderMap } from "../header-map.ts";
import type { CodecStream, ResetReason, StreamHandler } from "../stream.ts";
import type { H2ServerOptions } from "./options.ts";

// Our codecs against Node's HTTP/2, over real sockets.

interface Answer {
  headers: IncomingHttpHeaders;
  body: Buffer;
  trailers: IncomingHttpHeaders;
}

/** Sends a body through Node's client and collects what comes back. */
async function exchange(
  session: ClientHttp2Session,
  body: Buffer,
  extra: Record<string, string>,
): Promise<Answer> {
  const request = session.request(
    { ":method": "POST", ":path": "/echo", ...extra },
    { waitForTrailers: true },
  );
  const answer: Answer = { headers: {}, body: Buffer.alloc(0), trailers: {} };
  const chunks: Buffer[] = [];
  request.on("response", (headers) => (answer.headers = headers));
  request.on("trailers", (trailers) => (answer.trailers = trailers));
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("wantTrailers", () => request.sendTrailers({ "x-checksum": String(body.length) }));
  request.end(body);
  await once(request, "end");
  answer.body = Buffer.concat(chunks);
  return answer;
}

async function withServer(
  begin: (stream: CodecStream) => StreamHandler,
  options: Partial<H2ServerOptions>,
  test: (session: ClientHttp2Session, server: Awaited<ReturnType<typeof startH2Server>>) => Promise<void>,
): Promise<void> {
  const server = await startH2Server(begin, options);
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  session.on("error", () => {});
  try {
    await test(session, server);
  } finally {
    session.destroy();
    await server.stop();
  }
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 7 + (i >> 8)) & 255;
  return bytes;
}

/** Collects a response of our client. */
class Collect implements StreamHandler {
  status = 0;
  headers: [string, string][] = [];
  trailers: [string, string][] = [];
  body: Buffer[] = [];
  interim: number[] = [];
  reset: ResetReason | "" = "";
  readonly done = Promise.withResolvers<void>();
  stream!: CodecStream;
  drained: () => void = () => {};
  /** Pauses after each chunk and goes on later. */
  slow = false;

  onInterim(status: number): void {
    this.interim.push(status);
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    this.status = headers.status;
    headers.forEach((name, value) => this.headers.push([name, value]));
    headers.release();
    if (end) this.done.resolve();
  }

  onData(chunk: Buffer, end: boolean): void {
    this.body.push(Buffer.from(chunk));
    if (end) this.done.resolve();
    else if (this.slow) {
      this.stream.pause();
      setImmediate(() => this.stream.resume());
    }
  }

  onTrailers(trailers: HeaderMap): void {
    trailers.forEach((name, value) => this.trailers.push([name, value]));
    trailers.release();
    this.done.resolve();
  }

  onReset(reason: ResetReason): void {
    this.reset = reason;
    this.done.resolve();
  }

  onCodecError(): void {}

  onDrain(): void {
    this.drained();
  }
}

/** Sends a request with our client, heeding back-pressure. */
async function call(
  client: H2TestClient,
  body: Buffer,
  fields: [string, string][],
  slow = false,
): Promise<Collect> {
  const answer = new Collect();
  answer.slow = slow;
  const stream = client.codec.newStream(answer);
  answer.stream = stream;
  stream.headers(requestMap("POST", fields), false);
  for (let at = 0; at < body.length; at += 50_000) {
    if (stream.data(body.subarray(at, at + 50_000), false)) continue;
    await new Promise<void>((resolve) => (answer.drained = resolve));
  }
  stream.trailers(HeaderMap.of([["x-checksum", String(body.length)]]));
  await answer.done.promise;
  return answer;
}

async function withNodeServer(
  onStream: (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  settings: http2.Settings,
  test: (client: H2TestClient, sessions: http2.ServerHttp2Session[]) => Promise<void>,
): Promise<void> {
  const server = http2.createServer({ settings });
  const sessions: http2.ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    onStream(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = await connectH2((server.address() as AddressInfo).port);
  try {
    await test(client, sessions);
  } finally {
    client.connection.destroy();
    for (const session of sessions) session.destroy();
    server.close();
  }
}

describe("H2ServerCodec and Node's client", () => {
  it("exchange bodies of up to megabytes with trailers, many at once", async () => {
    await withServer(
      (stream) => new Echo(stream),
      {},
      async (session) => {
        const sizes = [0, 1, 100, 16_384, 16_385, 70_000, 500_000, 3_000_000];
        const jobs = sizes.map(async (size, i) => {
          const body = pattern(size, i);
          const answer = await exchange(session, body, { "x-n": String(i), cookie: "a=b" });
          assert.equal(answer.headers[":status"], 200);
          assert.equal(answer.headers["x-n"], String(i));
          assert.ok(answer.body.equals(body), `${size} bytes`);
          assert.equal(answer.trailers["x-checksum"], String(size));
        });
        await Promise.all(jobs);
      },
    );
  });

  it("exchange with small windows and random headers, hundreds of requests", async () => {
    await withServer(
      (stream) => new Echo(stream),
      { initialStreamWindowSize: 70_000, initialConnectionWindowSize: 100_000 },
      async (session) => {
        for (let round = 0; round < 6; round++) {
          const jobs = Array.from({ length: 50 }, async (_, i) => {
            const body = pattern((i * 997) % 9000, i);
            const answer = await exchange(session, body, {
              [`x-${i % 7}`]: "v".repeat((i * 13) % 200) + round,
            });
            assert.ok(answer.body.equals(body));
            assert.equal(answer.headers[`x-${i % 7}`], "v".repeat((i * 13) % 200) + round);
          });
          await Promise.all(jobs);
        }
      },
    );
  });

  it("reset streams in both directions", async () => {
    const resets: string[] = [];
    class Hang extends Echo {
      readonly stream: CodecStream;
      constructor(stream: CodecStream) {
        super(stream);
        this.stream = stream;
      }
      override onHeaders(headers: HeaderMap): void {
        if (headers.path === "/refuse") this.stream.reset("local-refused-stream-reset");
        headers.release();
      }
      override onReset(...args: unknown[]): void {
        resets.push(String(args[0]));
      }
    }
    await withServer(
      (stream) => new Hang(stream),
      {},
      async (session, server) => {
        const refused = session.request({ ":path": "/refuse" });
        refused.on("error", () => {});
        await waitUntil("refusal", () => refused.closed);
        assert.equal(refused.rstCode, 7);
        const cancelled = session.request({ ":path": "/" });
        cancelled.on("error", () => {});
        await waitUntil("stream", () => server.connections[0]!.codec.activeStreams === 1);
        cancelled.close(http2.constants.NGHTTP2_CANCEL);
        await waitUntil("reset", () => resets.length > 0);
        assert.deepEqual(resets, ["remote-reset"]);
      },
    );
  });

  it("drain: open streams end, then the connection", async () => {
    await withServer(
      (stream) => new Echo(stream),
      {},
      async (session, server) => {
        const goaways: number[] = [];
        session.on("goaway", (_code, last) => goaways.push(last));
        const request = session.request({ ":method": "POST", ":path": "/" });
        request.write("begun ");
        await once(request, "response");
        server.connections[0]!.codec.drain();
        await waitUntil("two GOAWAYs", () => goaways.length === 2);
        assert.deepEqual(goaways, [0x7fff_ffff, 1]);
        request.end("and ended");
        let body = "";
        for await (const chunk of request) body += String(chunk);
        assert.equal(body, "begun and ended");
        await waitUntil("close", () => server.closes.length === 1);
        assert.deepEqual(server.closes, ["drained"]);
      },
    );
  });
});

describe("H2ClientCodec and Node's server", () => {
  it("exchange bodies of up to megabytes with trailers, many at once, read slowly", async () => {
    await withNodeServer(
      (stream, headers) => {
        stream.respond({ ":status": 200, "x-n": headers["x-n"] }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-t": "done" }));
        stream.pipe(stream);
      },
      {},
      async (client) => {
        const sizes = [1, 100, 16_385, 70_000, 500_000, 2_000_000];
        const jobs = sizes.map(async (size, i) => {
          const body = pattern(size, i);
          const answer = await call(client, body, [["x-n", String(i)]], i % 2 === 1);
          assert.equal(answer.status, 200);
          assert.deepEqual(answer.headers[0], ["x-n", String(i)]);
          assert.ok(Buffer.concat(answer.body).equals(body), `${size} bytes`);
          assert.deepEqual(answer.trailers, [["x-t", "done"]]);
        });
        await Promise.all(jobs);
        assert.equal(client.codec.activeStreams, 0);
        assert.equal(client.events.filter((event) => event === "idle").length, sizes.length);
      },
    );
  });

  it("keep to the server's stream limit and hear of interim responses and resets", async () => {
    await withNodeServer(
      (stream, headers) => {
        stream.additionalHeaders({ ":status": 103, link: "</x>" });
        if (headers["x-do"] === "reset") return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
        stream.respond({ ":status": 200 });
        stream.end("ok");
      },
      { maxConcurrentStreams: 3 },
      async (client) => {
        await waitUntil("settings", () => client.codec.availableStreams === 3);
        const [fine, reset] = await Promise.all([
          call(client, Buffer.alloc(0), []),
          call(client, Buffer.alloc(0), [["x-do", "reset"]]),
        ]);
        assert.deepEqual([fine.status, String(fine.body[0]), fine.interim], [200, "ok", [103]]);
        assert.equal(reset.reset, "remote-refused-stream-reset");
        assert.equal(client.codec.availableStreams, 3);
      },
    );
  });

  it("let a server go away: what is open ends, nothing new begins", async () => {
    let begun = false;
    let release = (): void => {};
    await withNodeServer(
      (stream) => {
        stream.respond({ ":status": 200 });
        release = () => stream.end("late");
        begun = true;
      },
      {},
      async (client, sessions) => {
        const answer = call(client, Buffer.alloc(0), []);
        await waitUntil("request", () => begun);
        sessions[0]!.close();
        await waitUntil("GOAWAY", () => client.events.includes("go-away"));
        assert.equal(client.codec.availableStreams, 0);
        release();
        assert.equal(String((await answer).body[0]), "late");
        await waitUntil("close", () => client.connection.closed);
        assert.deepEqual(client.events.slice(0, 2), ["go-away", "go-away"]);
      },
    );
  });
});
