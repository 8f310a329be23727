import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerLog, TextSink } from "../../testing/codec-log.ts";
import { DEFAULT_SERVER_OPTIONS, type H1ServerOptions } from "./options.ts";
import { H1ServerCodec } from "./server-codec.ts";

/** Events of a chunked request with this body, without its head. */
function read(body: string, options: Partial<H1ServerOptions> = {}): string[] {
  const log = new ServerLog();
  const codec = new H1ServerCodec(new TextSink(), log, { ...DEFAULT_SERVER_OPTIONS, ...options });
  const bytes = Buffer.from(
    `POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n${body}`,
    "latin1",
  );
  codec.feed(bytes, 0, bytes.length);
  return log.lines.slice(1);
}

const ABC = ["data abc END"];
const REFUSED = ["error 400 http1.codec_error"];
const REFUSED_LATER = ["data abc", "error 400 http1.codec_error"];
const END = "\r\nabc\r\n0\r\n\r\n";

describe("H1ServerCodec chunked bodies", () => {
  const table: [body: string, expected: string[]][] = [
    [`3${END}`, ABC],
    [`3 ${END}`, ABC],
    [`3\t${END}`, ABC],
    [`3;x=y${END}`, ABC],
    [`3 ;x=y${END}`, ABC],
    [`3;x=\x01${END}`, ABC],
    [`3;\x80${END}`, ABC],
    [`3 3${END}`, ABC],
    [`000003${END}`, ABC],
    [`00000000000000000003${END}`, ABC],
    ["3\r\nabcd\r\n0\r\n\r\n", ABC],
    ["3\r\nabc\n0\r\n\r\n", ABC],
    ["3\r\nabc\r\n00\r\n\r\n", ABC],
    ["3\r\nabc\r\n0;x\r\n\r\n", ABC],
    ["3\r\nabc\r\n0\r\n\n", ABC],
    ["3\r\nabc\r\n0\r\na: b\r\n\r\n", ABC],
    ["A\r\n0123456789\r\n0\r\n\r\n", ["data 0123456789 END"]],
    ["a\r\n0123456789\r\n0\r\n\r\n", ["data 0123456789 END"]],
    ["0\r\n\r\n", ["data  END"]],
    ["ffffffffffffffff\r\nabc", ["data abc"]],
    [`3;${"x".repeat(70_000)}${END}`, ABC],
    [` 3${END}`, REFUSED],
    [`3;a\rb${END}`, REFUSED],
    ["3;a\nabc\r\n0\r\n\r\n", REFUSED],
    ["3\nabc\r\n0\r\n\r\n", REFUSED],
    [`+3${END}`, REFUSED],
    [`0x3${END}`, REFUSED],
    [`3x${END}`, REFUSED],
    [`3,${END}`, REFUSED],
    ["g\r\n\r\n", REFUSED],
    ["\r\n", REFUSED],
    ["-1\r\n", REFUSED],
    ["10000000000000000\r\nabc", REFUSED],
    ["3\r\nabc0\r\n\r\n", REFUSED_LATER],
    ["3\r\nabc\rX0\r\n\r\n", REFUSED_LATER],
    ["3\r\nabc\r\n\r\n0\r\n\r\n", REFUSED_LATER],
    ["3\r\nabc\r\n0\n\r\n", REFUSED_LATER],
    ["3\r\nabc\r\n0\r\nbad\r\n\r\n", REFUSED_LATER],
    ["3\r\nabc\r\n0\r\na b: c\r\n\r\n", REFUSED_LATER],
    ["3\r\nabc\r\n0\r\n:a: b\r\n\r\n", REFUSED_LATER],
    ["3\r\nabc\r\n0\r\na: \x01\r\n\r\n", ["data abc", "error 400 http1.invalid_characters"]],
    [`3\r\nabc\r\n0\r\na: ${"x".repeat(70_000)}\r\n\r\n`, ["data abc", "error 431 http1.headers_too_large"]],
    ["3\r\nabc\r\n0\r\n\rX", ["data abc"]],
  ];
  for (const [body, expected] of table)
    it(JSON.stringify(body.slice(0, 60)), () => assert.deepEqual(read(body), expected));

  it("passes trailers on where they are enabled", () => {
    const on = { enableTrailers: true };
    assert.deepEqual(read("3\r\nabc\r\n0\r\nA:b\r\nc:\td \r\n\r\n", on), ["data abc", "trailers a: b|c: d"]);
    assert.deepEqual(read("3\r\nabc\r\n0\r\na: b\r\n c\r\n\r\n", on), ["data abc", "trailers a: b c"]);
    assert.deepEqual(read("3\r\nabc\r\n0\r\n\r\n", on), ABC);
    const many = Array.from({ length: 101 }, (_, i) => `h${i}: v\r\n`).join("");
    assert.deepEqual(read(`0\r\n${many}\r\n`, on), ["error 431 http1.too_many_headers"]);
    assert.deepEqual(read(`0\r\n${many}\r\n`), ["data  END"]);
  });

  it("drops a Content-Length next to chunked where both are allowed", () => {
    const log = new ServerLog();
    const codec = new H1ServerCodec(new TextSink(), log, {
      ...DEFAULT_SERVER_OPTIONS,
      allowChunkedLength: true,
    });
    const bytes = Buffer.from(
      `POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n3${END}`,
    );
    codec.feed(bytes, 0, bytes.length);
    assert.deepEqual(log.lines, ["headers POST /  [h] transfer-encoding: chunked", "data abc END"]);
  });
});
