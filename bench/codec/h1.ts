// Cost of the HTTP/1.1 codecs alone: nanoseconds per request of one proxied exchange, no sockets, no filters.
// Run: node bench/codec/h1.ts [rounds]
import { H1ClientCodec } from "../../src/http/h1/client-codec.ts";
import { DEFAULT_CLIENT_OPTIONS, DEFAULT_SERVER_OPTIONS } from "../../src/http/h1/options.ts";
import { H1ServerCodec } from "../../src/http/h1/server-codec.ts";
import type { HeaderMap } from "../../src/http/header-map.ts";
import type { ByteSink, CodecStream, StreamHandler } from "../../src/http/stream.ts";

const REQUEST = Buffer.from(
  "GET /api/v1/users/42?full=1 HTTP/1.1\r\nHost: users.example.com\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n" +
    "Accept-Encoding: gzip, deflate\r\nX-Trace: 0123456789abcdef0123456789abcdef\r\nCookie: session=0123456789abcdef\r\n\r\n",
);
const RESPONSE = Buffer.from(
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\nDate: Sun, 22 Nov 2026 05:00:00 GMT\r\n" +
    `Server: upstream\r\nX-Version: 17\r\n\r\n${"x".repeat(64)}`,
);
const BATCH = 50_000;

/** Throws bytes away, but makes the text flat, as a write to a socket does. */
class NullSink implements ByteSink {
  bytes = 0;
  #scratch = Buffer.alloc(65_536);

  writeText(text: string): void {
    this.bytes += this.#scratch.write(text, "latin1");
  }

  writeBytes(bytes: Buffer): boolean {
    this.bytes += bytes.length;
    return true;
  }

  pauseReading(): void {}
  resumeReading(): void {}
}

/** Passes every event on to the other side, as a proxy without filters would. */
class Relay implements StreamHandler {
  to: CodecStream | null = null;
  map: HeaderMap | null = null;
  begin: (headers: HeaderMap, end: boolean) => void = () => {};

  onInterim(): void {}
  onHeaders(headers: HeaderMap, end: boolean): void {
    this.map = headers;
    if (this.to === null) this.begin(headers, end);
    else this.to.headers(headers, end);
    if (end) headers.release();
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

const downSink = new NullSink();
const upSink = new NullSink();
const downRelay = new Relay();
const upRelay = new Relay();
const client = new H1ClientCodec(upSink, { onIdle: () => {}, onUnusable: () => {} }, DEFAULT_CLIENT_OPTIONS);
const server = new H1ServerCodec(
  downSink,
  {
    onStream: (stream) => {
      upRelay.to = stream;
      return downRelay;
    },
    onClose: () => {},
  },
  DEFAULT_SERVER_OPTIONS,
);
downRelay.begin = (headers, end) => client.newStream(upRelay).headers(headers, end);

const rounds = Number(process.argv[2] ?? 8);
const whole: number[] = [];
const requests: number[] = [];
for (let round = 0; round < rounds; round++) {
  let inRequests = 0n;
  const started = process.hrtime.bigint();
  for (let i = 0; i < BATCH; i++) {
    server.feed(REQUEST, 0, REQUEST.length);
    client.feed(RESPONSE, 0, RESPONSE.length);
  }
  whole.push(Number(process.hrtime.bigint() - started) / BATCH);
  const idle = new H1ServerCodec(
    downSink,
    { onStream: answering, onClose: () => {} },
    DEFAULT_SERVER_OPTIONS,
  );
  const from = process.hrtime.bigint();
  for (let i = 0; i < BATCH; i++) idle.feed(REQUEST, 0, REQUEST.length);
  inRequests = process.hrtime.bigint() - from;
  requests.push(Number(inRequests) / BATCH);
}
show("proxied exchange: parse request, write it, parse response, write it", whole);
show("parse request, answer with the same headers", requests);

/** Answers each request at once with its own headers. */
function answering(stream: CodecStream): StreamHandler {
  const relay = new Relay();
  relay.begin = (headers) => {
    headers.status = 200;
    stream.headers(headers, true);
  };
  return relay;
}

function show(name: string, values: number[]): void {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1]!;
  console.log(`${name}: median ${median.toFixed(0)} ns, best ${sorted[0]!.toFixed(0)} ns`);
}
