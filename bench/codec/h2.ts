// Cost of the HTTP/2 codecs alone: CPU nanoseconds per request of one proxied exchange, no sockets, no filters; and what an idle
// connection holds. Run: node --expose-gc bench/codec/h2.ts [rounds]
import { H2ClientCodec } from "../../src/http/h2/client-codec.ts";
import { DEFAULT_H2_CLIENT_OPTIONS, DEFAULT_H2_SERVER_OPTIONS } from "../../src/http/h2/options.ts";
import { H2ServerCodec } from "../../src/http/h2/server-codec.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import type { ByteSink, CodecStream, StreamHandler, TurnWriter } from "../../src/http/stream.ts";

const BATCH = 50_000;
/** Exchanges per turn, as with ten streams at once. */
const PER_TURN = 10;
const IDLE_CONNECTIONS = 2000;
const BODY = Buffer.alloc(64, "x");
const END_STREAM = 1;

/** Throws bytes away, but copies them, as a write to a socket does. */
class NullSink implements ByteSink {
  readonly #scratch = Buffer.alloc(65_536);
  #writer: TurnWriter | null = null;

  writeText(): void {}

  writeBytes(bytes: Buffer): boolean {
    this.#scratch.set(bytes);
    return true;
  }

  beforeWrite(writer: TurnWriter): void {
    this.#writer = writer;
  }

  endTurn(): void {
    const writer = this.#writer;
    this.#writer = null;
    writer?.flush();
  }

  pauseReading(): void {}
  resumeReading(): void {}
}

/** Keeps what is written. */
class KeepSink implements ByteSink {
  #chunks: Buffer[] = [];

  writeText(): void {}

  writeBytes(bytes: Buffer): boolean {
    this.#chunks.push(Buffer.from(bytes));
    return true;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }

  pauseReading(): void {}
  resumeReading(): void {}
}

/** Passes every event on to the other side, as a proxy without filters would. */
class Relay implements StreamHandler {
  to: CodecStream | null = null;
  map: HeaderMap | null = null;
  begin: ((headers: HeaderMap, end: boolean) => void) | null = null;

  onInterim(): void {}

  onHeaders(headers: HeaderMap, end: boolean): void {
    if (this.begin !== null) this.begin(headers, end);
    else this.to!.headers(headers, end);
    if (end) headers.release();
    else this.map = headers;
  }

  onData(chunk: Buffer, end: boolean): void {
    this.to!.data(chunk, end);
    if (end) this.map!.release();
  }

  onTrailers(): void {}
  onReset(): void {}
  onCodecError(): void {}
  onDrain(): void {}
}

const nobody: StreamHandler = {
  onInterim() {},
  onHeaders: (headers) => headers.release(),
  onData() {},
  onTrailers() {},
  onReset() {},
  onCodecError() {},
  onDrain() {},
};

function request(): HeaderMap {
  const map = HeaderMap.of([
    ["user-agent", "bench/1.0"],
    ["accept", "application/json"],
    ["accept-encoding", "gzip, deflate"],
    ["x-trace", "0123456789abcdef0123456789abcdef"],
    ["cookie", "session=0123456789abcdef"],
  ]);
  map.method = "GET";
  map.scheme = "http";
  map.authority = "users.example.com";
  map.path = "/api/v1/users/42?full=1";
  return map;
}

function response(): HeaderMap {
  const map = HeaderMap.of([
    ["content-type", "application/json"],
    ["content-length", String(BODY.length)],
    ["date", "Sun, 22 Nov 2026 05:00:00 GMT"],
    ["server", "upstream"],
    ["x-version", "17"],
  ]);
  map.status = 200;
  return map;
}

/** What a client writes: how it begins, its first request, and any further one. */
function clientBytes(): [Buffer, Buffer, Buffer] {
  const sink = new KeepSink();
  const codec = new H2ClientCodec(
    sink,
    { onIdle: () => {}, onUnusable: () => {} },
    DEFAULT_H2_CLIENT_OPTIONS,
  );
  const begin = sink.take();
  codec.newStream(nobody).headers(request(), true);
  const first = sink.take();
  codec.newStream(nobody).headers(request(), true);
  return [begin, first, sink.take()];
}

/** What a server answers to that. */
function serverBytes(requests: readonly Buffer[]): [Buffer, Buffer, Buffer] {
  const sink = new KeepSink();
  const answer = (stream: CodecStream): StreamHandler => ({
    ...nobody,
    onHeaders: () => {
      stream.headers(response(), false);
      stream.data(BODY, true);
    },
  });
  const codec = new H2ServerCodec(sink, { onStream: answer, onClose: () => {} }, DEFAULT_H2_SERVER_OPTIONS);
  const [begin, first, further] = requests.map((bytes) => {
    codec.feed(bytes, 0, bytes.length);
    return sink.take();
  });
  return [begin!, first!, further!];
}

/** Writes a stream id into every frame of some bytes. */
function setStream(bytes: Buffer, id: number): void {
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) bytes.writeUInt32BE(id, at + 5);
}

const requests = clientBytes();
const responses = serverBytes(requests);
const downSink = new NullSink();
const upSink = new NullSink();
const client = new H2ClientCodec(
  upSink,
  { onIdle: () => {}, onUnusable: (reason) => fail(`client: ${reason}`) },
  DEFAULT_H2_CLIENT_OPTIONS,
);
const server = new H2ServerCodec(
  downSink,
  { onStream: (stream) => relay(stream), onClose: (reason) => fail(`server: ${reason}`) },
  DEFAULT_H2_SERVER_OPTIONS,
);

function relay(downstream: CodecStream): StreamHandler {
  const down = new Relay();
  const up = new Relay();
  up.to = downstream;
  down.begin = beginUpstream;
  return down;

  function beginUpstream(headers: HeaderMap, end: boolean): void {
    down.to = client.newStream(up);
    down.to.headers(headers, end);
  }
}

function fail(why: string): void {
  throw new Error(`Cannot measure: ${why}`);
}

let nextId = 1;
function exchange(requestBytes: Buffer, responseBytes: Buffer): void {
  setStream(requestBytes, nextId);
  server.feed(requestBytes, 0, requestBytes.length);
  setStream(responseBytes, nextId);
  client.feed(responseBytes, 0, responseBytes.length);
  nextId += 2;
}

const credit = Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
credit.writeUInt32BE(BODY.length * PER_TURN, 9);

function endTurn(): void {
  server.feed(credit, 0, credit.length);
  upSink.endTurn();
  downSink.endTurn();
}

server.feed(requests[0], 0, requests[0].length);
client.feed(responses[0], 0, responses[0].length);
exchange(requests[1], responses[1]);
const rounds = Number(process.argv[2] ?? 8);
const times: number[] = [];
for (let round = 0; round < rounds; round++) {
  const started = process.cpuUsage();
  for (let i = 0; i < BATCH; i++) {
    exchange(requests[2], responses[2]);
    if (i % PER_TURN === 0) endTurn();
  }
  const { user, system } = process.cpuUsage(started);
  times.push(((user + system) * 1000) / BATCH);
}
times.sort((a, b) => a - b);
console.log(
  `proxied exchange: decode request, encode it, decode response, encode it: median ${times[times.length >> 1]!.toFixed(0)} ns, best ${times[0]!.toFixed(0)} ns`,
);
console.log(
  `on the wire: request ${requests[2].length} bytes, response ${responses[2].length} bytes with ${BODY.length} of body`,
);
measureIdle();

/** Heap and buffers per server connection that has served one request. */
function measureIdle(): void {
  if (globalThis.gc === undefined) {
    console.log("idle connection: not measured; needs node --expose-gc");
    return;
  }
  const answer = (stream: CodecStream): StreamHandler => ({
    ...nobody,
    onHeaders: (headers) => {
      headers.release();
      stream.headers(response(), false);
      stream.data(BODY, true);
    },
  });
  setStream(requests[1], 1);
  if ((requests[1][4]! & END_STREAM) === 0) fail("the request has a body");
  const codecs: H2ServerCodec[] = [];
  const sink = new NullSink();
  const before = used();
  for (let i = 0; i < IDLE_CONNECTIONS; i++) {
    const codec = new H2ServerCodec(sink, { onStream: answer, onClose: () => {} }, DEFAULT_H2_SERVER_OPTIONS);
    codec.feed(requests[0], 0, requests[0].length);
    codec.feed(requests[1], 0, requests[1].length);
    sink.endTurn();
    codecs.push(codec);
  }
  const bytes = (used() - before) / codecs.length;
  console.log(`idle connection: ${(bytes / 1024).toFixed(1)} KiB of codec`);
}

function used(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
