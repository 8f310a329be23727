import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../src/http/header-map.ts";
import { H1ClientCodec } from "../../src/http/h1/client-codec.ts";
import { DEFAULT_CLIENT_OPTIONS, DEFAULT_SERVER_OPTIONS } from "../../src/http/h1/options.ts";
import { H1ServerCodec } from "../../src/http/h1/server-codec.ts";
import { PoolLog, ServerLog, StreamLog, TextSink } from "../../src/testing/codec-log.ts";

// Mutates a corpus for about two seconds. What a codec tells must not depend on how bytes are split, nothing may throw,
// and no input may take long. A failure prints the seed: WEFT_FUZZ_SEED=… repeats it.

const BUDGET_MS = 900;
const SLOW_MS = 500;

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

describe("H1 codecs under mutated bytes", () => {
  const seed = Number(process.env["WEFT_FUZZ_SEED"] ?? Date.now() & 0x7fffffff);

  it("H1ServerCodec never throws or hangs, and splits do not matter", () => fuzz(REQUESTS, seed, serve));

  it("H1ClientCodec never throws or hangs, and splits do not matter", () => fuzz(RESPONSES, seed, call));
});

function fuzz(corpus: string[], seed: number, play: (text: string, step: number) => string): void {
  const random = generator(seed);
  const until = performance.now() + BUDGET_MS;
  while (performance.now() < until) {
    const text = mutate(corpus[random(corpus.length)]!, corpus, random);
    const context = `seed ${seed}, input ${JSON.stringify(text)}`;
    const started = performance.now();
    try {
      const whole = play(text, text.length);
      assert.equal(play(text, 1), whole);
      assert.equal(play(text, 1 + random(16)), whole);
    } catch (error) {
      throw new Error(`H1 codec failed with ${context}`, { cause: error });
    }
    assert.ok(performance.now() - started < SLOW_MS, `slow with ${context}`);
  }
}

function serve(text: string, step: number): string {
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
  feed(text, step, (bytes) => codec.feed(bytes, 0, bytes.length));
  codec.onEnd();
  assert.equal(sink.pauses, 0);
  return log.lines.join("\n") + sink.text;
}

function call(text: string, step: number): string {
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
  feed(text, step, (bytes) => codec.feed(bytes, 0, bytes.length));
  codec.onEnd();
  assert.equal(sink.pauses, 0);
  // What follows the response may come with it or after it, so the last word differs.
  return lines.join("\n").replace(/(?:idle\n)?unusable \S+$/, "over");
}

function feed(text: string, step: number, take: (bytes: Buffer) => void): void {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += step) {
    const piece = Buffer.from(bytes.subarray(at, at + step));
    take(piece);
    piece.fill(0x21);
  }
}

function mutate(text: string, corpus: string[], random: (below: number) => number): string {
  let out = text;
  for (let count = random(5); count >= 0; count--) {
    const at = random(out.length + 1);
    const length = random(6);
    switch (random(6)) {
      case 0:
        out = out.slice(0, at) + out.slice(at + length);
        break;
      case 1:
        out = out.slice(0, at) + PARTS[random(PARTS.length)]! + out.slice(at);
        break;
      case 2:
        out = out.slice(0, at) + String.fromCharCode(random(256)) + out.slice(at + 1);
        break;
      case 3:
        out = out.slice(0, at) + out.slice(at, at + length).repeat(1 + random(4)) + out.slice(at + length);
        break;
      case 4:
        out = out.slice(0, at) + corpus[random(corpus.length)]!.slice(random(40));
        break;
      default:
        out = out.slice(0, at) + "x".repeat(random(300)) + out.slice(at);
    }
  }
  return out;
}

/** Uniform integers below a bound, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
