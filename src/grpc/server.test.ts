import assert from "node:assert/strict";
import http2 from "node:http2";
import { connect } from "node:net";
import test, { type TestContext } from "node:test";
import { Client, credentials, Metadata, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js";
import { makeCertificate, type TestCertificate } from "../testing/certs.ts";
import { waitUntil } from "../testing/wait-until.ts";
import { GrpcError } from "./grpc-error.ts";
import { encodeFrame } from "./frame.ts";
import { GrpcServer, type GrpcServerOptions } from "./server.ts";
import type { GrpcCall, GrpcMethod } from "./server-method.ts";
import { GRPC_STATUS } from "./status.ts";
import { unaryMethod } from "./unary-method.ts";

const bytes = (value: Buffer) => value;

/** Answers each message with itself until the client has no more. */
const echo: GrpcMethod = (call) => ({
  onMessage: (message) => void call.send(encodeFrame(message)),
  onEnd: () => call.end(GRPC_STATUS.ok),
  onClose() {},
});

async function start(
  context: TestContext,
  methods: Record<string, GrpcMethod>,
  options: GrpcServerOptions = {},
): Promise<{ server: GrpcServer; port: number }> {
  const server = new GrpcServer(options);
  for (const [path, method] of Object.entries(methods)) server.register(path, method);
  const port = await server.listen("127.0.0.1", 0);
  context.after(() => server.close());
  return { server, port };
}

function grpcJs(context: TestContext, port: number, secure = credentials.createInsecure()): Client {
  const client = new Client(`localhost:${port}`, secure, { "grpc.max_receive_message_length": -1 });
  context.after(() => client.close());
  return client;
}

async function unary(
  client: Client,
  path: string,
  request: Buffer,
  options: { deadline?: number; metadata?: Metadata } = {},
): Promise<Buffer> {
  const { metadata = new Metadata(), deadline } = options;
  return new Promise((resolve, reject) => {
    const limit = deadline === undefined ? {} : { deadline };
    client.makeUnaryRequest(path, bytes, bytes, request, metadata, limit, (error, value) =>
      error === null ? resolve(value!) : reject(error),
    );
  });
}

const status = (code: number, details?: RegExp) => (error: ServiceError) => {
  assert.equal(error.code, code, error.message);
  if (details !== undefined) assert.match(error.details, details);
  return true;
};

test("a unary method answers, refuses by status, and sees who calls", async (context) => {
  let seen: GrpcCall | undefined;
  const { port } = await start(context, {
    "/a.B/Upper": unaryMethod((request, call) => {
      seen = call;
      if (request.length === 0) throw new GrpcError({ code: GRPC_STATUS.notFound, message: "nöthing" });
      return Buffer.from(request.toString().toUpperCase());
    }),
  });
  const client = grpcJs(context, port);
  const metadata = new Metadata();
  metadata.add("authorization", "Bearer x");
  assert.equal((await unary(client, "/a.B/Upper", Buffer.from("abc"), { metadata })).toString(), "ABC");
  assert.match(seen!.peer.address, /^127\.0\.0\.1:\d+$/);
  assert.equal(seen!.metadata("authorization"), "Bearer x");
  assert.equal(seen!.metadata("te"), undefined);
  await assert.rejects(
    unary(client, "/a.B/Upper", Buffer.alloc(0)),
    status(GRPC_STATUS.notFound, /^nöthing$/),
  );
  await assert.rejects(unary(client, "/a.B/None", Buffer.alloc(0)), status(GRPC_STATUS.unimplemented));
});

test("a stream carries messages of all sizes both ways, in order", async (context) => {
  const { port } = await start(context, { "/a.B/Echo": echo });
  const call = grpcJs(context, port).makeBidiStreamRequest("/a.B/Echo", bytes, bytes);
  const sizes = [0, 1, 16_384, 5, 300_000, 3_000_000, 7];
  for (const [i, size] of sizes.entries()) call.write(Buffer.alloc(size, i));
  call.end();
  const got: Buffer[] = [];
  for await (const message of call) got.push(message as Buffer);
  assert.deepEqual(
    got.map((message) => [message.length, message[0]]),
    sizes.map((size, i) => [size, size === 0 ? undefined : i]),
  );
});

test("pieces that are shared reach every client whole, also one that reads late", async (context) => {
  const shared = [encodeFrame(Buffer.alloc(2_000_000, "x"))];
  let drained = 0;
  const calls: GrpcCall[] = [];
  const { port } = await start(context, {
    "/a.B/Get": (call) => {
      calls.push(call);
      return {
        onMessage: () => void call.send(shared),
        onEnd() {},
        onDrain: () => void drained++,
        onClose() {},
      };
    },
  });
  const streams = [1, 2, 3].map(() =>
    grpcJs(context, port).makeBidiStreamRequest("/a.B/Get", bytes, bytes),
  ) as ClientDuplexStream<Buffer, Buffer>[];
  for (const stream of streams) {
    stream.pause();
    stream.write(Buffer.from("go"));
  }
  await waitUntil("all calls wait for their clients", () => calls.filter((c) => !c.writable).length === 3);
  const lengths = await Promise.all(
    streams.map(
      (stream) => new Promise((resolve) => stream.on("data", (m: Buffer) => resolve(m.length)).resume()),
    ),
  );
  assert.deepEqual(lengths, [2_000_000, 2_000_000, 2_000_000]);
  await waitUntil("all are told", () => drained === 3);
  for (const call of calls) call.end(GRPC_STATUS.ok);
  await Promise.all(streams.map((stream) => new Promise((resolve) => stream.on("end", resolve))));
});

test("deadlines, cancellation and lost connections end a call once", async (context) => {
  const closed: string[] = [];
  const { port } = await start(context, {
    "/a.B/Hang": (call) => ({
      onMessage() {},
      onEnd() {},
      onClose: () => void closed.push(call.metadata("name") ?? ""),
    }),
  });
  const named = (name: string) => {
    const metadata = new Metadata();
    metadata.set("name", name);
    return metadata;
  };
  const client = grpcJs(context, port);
  await new Promise((resolve) => client.waitForReady(Date.now() + 5000, resolve));
  const late = unary(client, "/a.B/Hang", Buffer.alloc(1), {
    deadline: Date.now() + 200,
    metadata: named("late"),
  });
  await assert.rejects(late, status(GRPC_STATUS.deadlineExceeded));
  await waitUntil("the deadline has closed the call", () => closed.includes("late"));
  const cancelled = client.makeBidiStreamRequest("/a.B/Hang", bytes, bytes, named("cancelled"));
  cancelled.on("error", () => {});
  cancelled.write(Buffer.alloc(1));
  setTimeout(() => cancelled.cancel(), 20);
  await waitUntil("cancellation has closed the call", () => closed.includes("cancelled"));
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const raw = session.request(head("/a.B/Hang", { name: "lost" }));
  raw.on("error", () => {});
  raw.write(encodeFrame(Buffer.alloc(1)));
  setTimeout(() => session.destroy(), 20);
  await waitUntil("the lost connection has closed the call", () => closed.includes("lost"));
  assert.deepEqual(closed, ["late", "cancelled", "lost"]);
});

test("what is not gRPC, compressed, too large or cut off is refused with the right status", async (context) => {
  const { port } = await start(context, { "/a.B/Echo": echo }, { maxMessage: 1000 });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  context.after(() => session.destroy());
  const ask = async (headers: http2.OutgoingHttpHeaders, body: Buffer) => {
    const stream = session.request(headers);
    const answer: http2.IncomingHttpHeaders = {};
    stream.on("response", (got) => Object.assign(answer, got));
    stream.on("trailers", (got) => Object.assign(answer, got));
    stream.on("error", () => {});
    stream.resume().end(body);
    await new Promise((resolve) => stream.on("close", resolve));
    return answer;
  };
  const message = encodeFrame(Buffer.from("abc"));
  assert.equal((await ask({ ...head("/a.B/Echo"), "content-type": "text/plain" }, message))[":status"], 415);
  const got = await ask({ ...head("/a.B/Echo"), "content-type": "application/grpc+proto" }, message);
  assert.equal(got["grpc-status"], "0");
  const gzip = await ask(head("/a.B/Echo", { "grpc-encoding": "gzip" }), message);
  assert.equal(gzip["grpc-status"], "12");
  assert.equal(gzip["grpc-accept-encoding"], "identity");
  const flagged = Buffer.from(message);
  flagged[0] = 1;
  assert.equal((await ask(head("/a.B/Echo"), flagged))["grpc-status"], "13");
  assert.equal((await ask(head("/a.B/Echo"), encodeFrame(Buffer.alloc(1001))))["grpc-status"], "8");
  assert.equal((await ask(head("/a.B/Echo"), message.subarray(0, 6)))["grpc-status"], "13");
  assert.equal((await ask(head("/a.B/Echo", { "grpc-timeout": "soon" }), message))["grpc-status"], "13");
});

test("a method that throws ends its call and nothing else", async (context) => {
  const { port } = await start(context, {
    "/a.B/Bad": () => {
      throw new Error("at once");
    },
    "/a.B/Worse": () => ({
      onMessage() {
        throw new Error("at the first message");
      },
      onEnd() {},
      onClose() {},
    }),
    "/a.B/Echo": unaryMethod((request) => request),
  });
  const client = grpcJs(context, port);
  const bad = unary(client, "/a.B/Bad", Buffer.alloc(1));
  await assert.rejects(bad, status(GRPC_STATUS.internal, /at once/));
  const worse = unary(client, "/a.B/Worse", Buffer.alloc(1));
  await assert.rejects(worse, status(GRPC_STATUS.internal, /first message/));
  assert.equal((await unary(client, "/a.B/Echo", Buffer.from("x"))).toString(), "x");
});

test("a connection that is old is drained: calls are told, end, and the client comes again", async (context) => {
  let goAways = 0;
  const { server, port } = await start(
    context,
    {
      "/a.B/Echo": (call) => ({
        onMessage: (message) => void call.send(encodeFrame(message)),
        onEnd: () => call.end(GRPC_STATUS.ok),
        onGoAway: () => {
          goAways++;
          call.end(GRPC_STATUS.ok);
        },
        onClose() {},
      }),
    },
    { maxConnectionAge: 100 },
  );
  const client = grpcJs(context, port);
  for (let round = 1; round <= 2; round++) {
    const call = client.makeBidiStreamRequest("/a.B/Echo", bytes, bytes);
    call.write(Buffer.from("x"));
    const [message] = await new Promise<Buffer[]>((resolve) => call.on("data", (m: Buffer) => resolve([m])));
    assert.equal(message!.toString(), "x");
    await new Promise((resolve) => call.on("status", resolve));
    assert.ok(goAways >= round);
  }
  await waitUntil("old connections are closed", () => server.connections <= 1);
});

test("drain() ends calls that go on after their grace, and takes no new connections", async (context) => {
  const { server, port } = await start(context, { "/a.B/Echo": echo });
  const call = grpcJs(context, port).makeBidiStreamRequest("/a.B/Echo", bytes, bytes);
  call.on("error", () => {});
  call.write(Buffer.from("x"));
  await new Promise((resolve) => call.once("data", resolve));
  const ended = new Promise<{ code: number }>((resolve) => call.on("status", resolve));
  await server.drain(0, 300);
  assert.equal((await ended).code, GRPC_STATUS.unavailable);
  assert.equal(server.connections, 0);
  await assert.rejects(
    new Promise((resolve, reject) => connect(port, "127.0.0.1", () => resolve(0)).on("error", reject)),
  );
});

test("TLS asks for a client certificate of the authority and shows its names to admit()", async (context) => {
  const ca = makeCertificate({ name: "ca", ca: true });
  const issue = (name: string, names: string[], issuer = ca) => makeCertificate({ name, names, issuer });
  const failures: string[] = [];
  const { server, port } = await start(
    context,
    { "/a.B/Echo": unaryMethod((request) => request) },
    {
      admit: ({ peer }) =>
        peer.certificate?.namesOf("uri").includes("spiffe://mesh/a")
          ? undefined
          : { code: GRPC_STATUS.permissionDenied, message: "not on the list" },
      onTlsFailure: (_address, reason) => void failures.push(reason),
    },
  );
  const own = issue("server", ["DNS:localhost"]);
  server.setTls({ cert: own.cert, key: own.key, ca: ca.cert });
  const ask = async (certificate?: TestCertificate) => {
    const pem = (text: string) => Buffer.from(text);
    const secure =
      certificate === undefined
        ? credentials.createSsl(pem(ca.cert))
        : credentials.createSsl(pem(ca.cert), pem(certificate.key), pem(certificate.cert));
    return unary(grpcJs(context, port, secure), "/a.B/Echo", Buffer.from("x"), {
      deadline: Date.now() + 2000,
    });
  };
  assert.equal((await ask(issue("a", ["URI:spiffe://mesh/a"]))).toString(), "x");
  await assert.rejects(
    ask(issue("b", ["URI:spiffe://mesh/b"])),
    status(GRPC_STATUS.permissionDenied, /not on the list/),
  );
  await assert.rejects(ask(), status(GRPC_STATUS.unavailable));
  const stranger = makeCertificate({ name: "other-ca", ca: true });
  await assert.rejects(ask(issue("a", ["URI:spiffe://mesh/a"], stranger)), status(GRPC_STATUS.unavailable));
  await waitUntil("both failures are told", () => failures.length >= 2);
});

function head(path: string, more: Record<string, string> = {}): http2.OutgoingHttpHeaders {
  return { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...more };
}
