import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PoolLog, ServerLog, StreamLog, TextSink } from "../../testing/codec-log.ts";
import { HeaderMap } from "../header-map.ts";
import { H1ClientCodec } from "./client-codec.ts";
import { DEFAULT_CLIENT_OPTIONS, DEFAULT_SERVER_OPTIONS } from "./options.ts";
import { H1ServerCodec } from "./server-codec.ts";

const RUNS = { numRuns: 150 };

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,10}$/).map((name) => `X-${name}`);
const value = fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff]{0,20}[!-~])?$/);
const field = fc.tuple(token, value);
const body = fc.oneof(
  fc.constant<string[] | undefined>(undefined),
  fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 }), { maxLength: 4 }),
);
/** Lengths of the pieces in which bytes arrive. */
const pieces = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });

const requestText = fc
  .tuple(fc.constantFrom("GET", "POST", "PUT"), fc.array(field, { maxLength: 6 }), body, fc.boolean())
  .map(([method, fields, chunks, chunked]) => {
    const head = `${method} /p HTTP/1.1\r\nHost: h\r\n${fields.map(([n, v]) => `${n}:${v}\r\n`).join("")}`;
    if (chunks === undefined) return `${head}\r\n`;
    if (!chunked) return `${head}Content-Length: ${chunks.join("").length}\r\n\r\n${chunks.join("")}`;
    const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
    return `${head}Transfer-Encoding: chunked\r\n\r\n${coded}0\r\nt: v\r\n\r\n`;
  });

/** Feeds text in pieces of these lengths, taken in turn. */
function feedIn(lengths: number[], text: string, feed: (b: Buffer, s: number, e: number) => void): void {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + lengths[i % lengths.length]!);
    // A copy per piece: names are lower-cased in place, and nobody may keep what was lent.
    const piece = Buffer.concat([Buffer.from("?"), bytes.subarray(at, end)]);
    feed(piece, 1, piece.length);
    piece.fill(0x21);
    at = end;
  }
}

function serve(text: string, lengths: number[]): { lines: string[]; written: string } {
  const sink = new TextSink();
  const log = new ServerLog();
  log.after = (stream, event) => {
    if (event !== "error" && !stream.complete) return;
    const map = new HeaderMap();
    map.status = event === "error" ? 400 : 200;
    log.stream.headers(map, true);
  };
  const codec = new H1ServerCodec(sink, log, { ...DEFAULT_SERVER_OPTIONS, enableTrailers: true });
  feedIn(lengths, text, (bytes, start, end) => codec.feed(bytes, start, end));
  return { lines: log.lines, written: sink.text };
}

describe("H1 codecs", () => {
  it("tell the same however bytes are split, pipelined requests included", () => {
    fc.assert(
      fc.property(fc.array(requestText, { minLength: 1, maxLength: 4 }), pieces, (texts, lengths) => {
        const text = texts.join("");
        const whole = serve(text, [text.length]);
        assert.equal(whole.lines.filter((line) => line.startsWith("headers")).length, texts.length);
        assert.deepEqual(serve(text, lengths), whole);
        assert.deepEqual(serve(text, [1]), whole);
      }),
      RUNS,
    );
  });

  it("tell the same of broken requests too", () => {
    const damage = fc.tuple(fc.nat(), fc.constantFrom("\r", "\n", "\0", " ", ":", "x", "\r\n", "", "\x80"));
    fc.assert(
      fc.property(
        requestText,
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        pieces,
        (text, hits, lengths) => {
          let broken = text;
          for (const [at, char] of hits) {
            const i = at % broken.length;
            broken = broken.slice(0, i) + char + broken.slice(i + 1);
          }
          const whole = serve(broken, [broken.length]);
          assert.deepEqual(serve(broken, lengths), whole);
          assert.deepEqual(serve(broken, [1]), whole);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("understand each other: what one side writes the other reads", () => {
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 6 }),
        body,
        fc.boolean(),
        pieces,
        (fields, chunks, sized, lengths) => {
          const data = chunks?.join("") ?? "";
          const headers = (): HeaderMap => {
            const map = HeaderMap.of(fields.map(([n, v]) => [n.toLowerCase(), v]));
            if (sized) map.add("content-length", String(data.length));
            return map;
          };
          const send = (stream: { data(b: Buffer, end: boolean): boolean }): void => {
            chunks?.forEach((chunk) => stream.data(Buffer.from(chunk, "latin1"), false));
            if (chunks !== undefined) stream.data(Buffer.alloc(0), true);
          };
          const up = new TextSink();
          const client = new H1ClientCodec(up, new PoolLog(), DEFAULT_CLIENT_OPTIONS);
          const answer = new StreamLog();
          const request = client.newStream(answer);
          const requestMap = headers();
          requestMap.method = "POST";
          requestMap.path = "/p";
          requestMap.authority = "h";
          request.headers(requestMap, chunks === undefined);
          send(request);

          const down = new TextSink();
          const log = new ServerLog();
          const server = new H1ServerCodec(down, log, DEFAULT_SERVER_OPTIONS);
          feedIn(lengths, up.text, (bytes, start, end) => server.feed(bytes, start, end));
          const shown = headers().toLines().trimEnd().split("\r\n").join("|");
          assert.ok(log.lines[0]!.startsWith(`headers POST /p  [h] ${shown}`.trimEnd()));
          assert.equal(log.lines[1] ?? "data  END", data === "" ? "data  END" : `data ${data} END`);

          const response = headers();
          response.status = 200;
          log.stream.headers(response, chunks === undefined);
          send(log.stream);
          feedIn(lengths, down.text, (bytes, start, end) => client.feed(bytes, start, end));
          assert.ok(answer.lines[0]!.startsWith(`headers 200 ${shown}`.trimEnd()));
          assert.equal(answer.lines[1] ?? "data  END", data === "" ? "data  END" : `data ${data} END`);
          assert.equal(client.availableStreams, 1);
          assert.equal(answer.complete, true);
        },
      ),
      RUNS,
    );
  });

  it("read a long head in small pieces in linear time", () => {
    const text = `GET /${"x".repeat(20_000)} HTTP/1.1\r\nhost: h\r\na: ${"y".repeat(40_000)}\r\n\r\n`;
    const started = performance.now();
    assert.equal(serve(text, [1]).lines.length, 1);
    // Quadratic work would be nearly two thousand million steps.
    assert.ok(performance.now() - started < 1500);
  });
});
