import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { TextSink } from "../../../testing/codec-log.ts";
import { headerId } from "../../header-name.ts";
import { FrameWriter } from "../frame/frame-writer.ts";
import { HpackDecoder } from "./decoder.ts";
import { HpackEncoder } from "./encoder.ts";
import { BAD_NAME, BAD_VALUE, pseudoCode } from "./field-code.ts";
import { CODE_LENGTHS, CODES } from "./huffman-code.ts";
import { huffmanDecode } from "./huffman-decode.ts";

type Field = [string, string];

function decode(decoder: HpackDecoder, bytes: Buffer, codes: number[] = []): string[] | undefined {
  const fields: string[] = [];
  const receiver = {
    field(code: number, name: string, value: string) {
      codes.push(code);
      fields.push(`${name}: ${value}`);
    },
  };
  return decoder.decode(bytes, 0, bytes.length, receiver) ? fields : undefined;
}

function encode(encoder: HpackEncoder, fields: Field[]): Buffer {
  const sink = new TextSink();
  const writer = new FrameWriter(sink);
  encoder.begin(writer);
  for (const [name, value] of fields) {
    if (name === ":method") encoder.method(writer, value);
    else if (name === ":scheme") encoder.scheme(writer, value);
    else if (name === ":path") encoder.path(writer, value);
    else if (name === ":status") encoder.status(writer, Number(value));
    else encoder.field(writer, name.startsWith(":") ? pseudoCode(name) : headerId(name), name, value);
  }
  writer.flush();
  return Buffer.from(sink.take(), "latin1");
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

function huffman(text: string): Buffer {
  let bits = "";
  for (const byte of Buffer.from(text, "latin1"))
    bits += CODES[byte]!.toString(2).padStart(CODE_LENGTHS[byte]!, "0");
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** A literal with a Huffman-coded name and value that goes into the table. */
function huffmanLiteral([name, value]: Field): Buffer {
  const strings = [name, value].map((text) => {
    const coded = huffman(text);
    assert.ok(coded.length < 127);
    return Buffer.concat([Buffer.from([0x80 | coded.length]), coded]);
  });
  return Buffer.concat([Buffer.from([0x40]), ...strings]);
}

const GET = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const GET_CACHED = [...GET, "cache-control: no-cache"];
const GET_CUSTOM = [
  ":method: GET",
  ":scheme: https",
  ":path: /index.html",
  ":authority: www.example.com",
  "custom-key: custom-value",
];
const DATE = "Mon, 21 Oct 2013 20:13:21 GMT";
const FOUND = [
  ":status: 302",
  "cache-control: private",
  `date: ${DATE}`,
  "location: https://www.example.com",
];
const REDIRECTED = [
  ":status: 307",
  "cache-control: private",
  `date: ${DATE}`,
  "location: https://www.example.com",
];
const WITH_COOKIE = [
  ":status: 200",
  "cache-control: private",
  "date: Mon, 21 Oct 2013 20:13:22 GMT",
  "location: https://www.example.com",
  "content-encoding: gzip",
  "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

describe("HpackDecoder", () => {
  it("reads the representations of RFC 7541 C.2", () => {
    const decoder = new HpackDecoder(4096);
    const custom = hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    assert.deepEqual(decode(decoder, custom), ["custom-key: custom-header"]);
    assert.equal(decoder.tableSize, 55);
    assert.deepEqual(decode(decoder, hex("040c 2f73 616d 706c 652f 7061 7468")), [":path: /sample/path"]);
    assert.deepEqual(decode(decoder, hex("1008 7061 7373 776f 7264 0673 6563 7265 74")), [
      "password: secret",
    ]);
    assert.deepEqual(decode(decoder, hex("82")), [":method: GET"]);
    assert.equal(decoder.tableSize, 55);
  });

  for (const [name, blocks] of [
    [
      "C.3",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4 (Huffman)",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ] as const) {
    it(`reads the requests of ${name}`, () => {
      const decoder = new HpackDecoder(4096);
      assert.deepEqual(decode(decoder, hex(blocks[0])), GET);
      assert.deepEqual(decode(decoder, hex(blocks[1])), GET_CACHED);
      assert.deepEqual(decode(decoder, hex(blocks[2])), GET_CUSTOM);
      assert.equal(decoder.tableSize, 164);
    });
  }

  it("reads the responses of C.5 and C.6, evicting", () => {
    const decoder = new HpackDecoder(4096);
    // The examples assume a table of 256 octets from the start.
    assert.deepEqual(decode(decoder, hex("3fe101")), []);
    const plain =
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 54" +
      "6e17 6874 7470 733a 2f2f 7777 772e 6578 616d 706c 652e 636f 6d";
    assert.deepEqual(decode(decoder, hex(plain)), FOUND);
    assert.equal(decoder.tableSize, 222);
    assert.deepEqual(decode(decoder, hex("4803 3330 37c1 c0bf")), REDIRECTED);
    assert.equal(decoder.tableSize, 222);

    const coded = new HpackDecoder(4096);
    decode(coded, hex("3fe101"));
    const first =
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    assert.deepEqual(decode(coded, hex(first)), FOUND);
    assert.deepEqual(decode(coded, hex("4883 640e ffc1 c0bf")), REDIRECTED);
    const third =
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    assert.deepEqual(decode(coded, hex(third)), WITH_COOKIE);
    assert.equal(coded.tableSize, 215);
  });

  it("reads any Huffman-coded string, by any split of the table's use", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (text) => {
        const coded = huffman(text);
        const out = Buffer.alloc(coded.length * 2);
        assert.equal(out.toString("latin1", 0, huffmanDecode(coded, 0, coded.length, out)), text);
      }),
    );
    for (let byte = 0; byte < 256; byte++) {
      const out = Buffer.alloc(16);
      const coded = huffman(String.fromCharCode(byte));
      assert.equal(huffmanDecode(coded, 0, coded.length, out), 1);
      assert.equal(out[0], byte);
    }
  });

  it("refuses wrong padding and the end-of-string symbol", () => {
    const out = Buffer.alloc(64);
    // "0" is 00000; padding has to be ones.
    assert.equal(huffmanDecode(hex("00"), 0, 1, out), -1);
    assert.equal(huffmanDecode(hex("07"), 0, 1, out), 1);
    assert.equal(huffmanDecode(hex("07ff"), 0, 2, out), -1);
    assert.equal(huffmanDecode(hex("ffffffff"), 0, 4, out), -1);
  });

  it("judges names and values once and keeps the verdict in the table", () => {
    const decoder = new HpackDecoder(4096);
    const codes: number[] = [];
    decode(
      decoder,
      Buffer.concat([huffmanLiteral(["Upper", "x"]), huffmanLiteral(["a", "b\nc"]), hex("bfbe")]),
      codes,
    );
    assert.deepEqual(codes, [BAD_NAME, BAD_VALUE, BAD_NAME, BAD_VALUE]);
    const more: number[] = [];
    decode(decoder, Buffer.concat([huffmanLiteral(["server", "x\ny"]), huffmanLiteral(["", "x"])]), more);
    assert.deepEqual(more, [headerId("server") | BAD_VALUE, BAD_NAME]);
  });

  for (const [what, bytes] of [
    ["index 0", "80"],
    ["an index beyond the table", "be"],
    ["a name beyond the table", "7e0161"],
    ["a string that is cut", "400a6375"],
    ["an integer that never ends", "ffffffffffffffff"],
    ["an integer that is cut", "ff"],
    ["a size update behind a field", "8220"],
    ["a table larger than was announced", "3fe23f"],
    ["a missing value", "4001 61"],
  ] as const) {
    it(`refuses ${what}`, () => assert.equal(decode(new HpackDecoder(4096), hex(bytes)), undefined));
  }

  it("wants a size update after a smaller table was acknowledged", () => {
    const decoder = new HpackDecoder(100);
    assert.deepEqual(decode(decoder, hex("82")), [":method: GET"]);
    decoder.acknowledged(100);
    assert.equal(decode(decoder, hex("82")), undefined);
    const other = new HpackDecoder(100);
    other.acknowledged(100);
    assert.deepEqual(decode(other, hex("3f45 82")), [":method: GET"]);
  });

  it("empties the table by an entry that is larger", () => {
    const decoder = new HpackDecoder(4096);
    decode(decoder, Buffer.concat([hex("3f21"), huffmanLiteral(["a", "b"])]));
    assert.equal(decoder.tableSize, 34);
    assert.deepEqual(decode(decoder, huffmanLiteral(["a", "x".repeat(80)])), [`a: ${"x".repeat(80)}`]);
    assert.equal(decoder.tableSize, 0);
  });
});

describe("HpackEncoder", () => {
  it("writes the requests of C.3 byte for byte", () => {
    const encoder = new HpackEncoder(4096);
    const split = (lines: string[]): Field[] => lines.map((line) => line.split(/(?<=.): /) as Field);
    assert.equal(encode(encoder, split(GET)).toString("hex"), "828684410f7777772e6578616d706c652e636f6d");
    assert.equal(encode(encoder, split(GET_CACHED)).toString("hex"), "828684be58086e6f2d6361636865");
    assert.equal(
      encode(encoder, split(GET_CUSTOM.map((line) => line.replace("/index.html", "/")))).toString("hex"),
      "828784bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    );
  });

  it("round-trips any fields over many blocks and table sizes", () => {
    const name = fc.oneof(
      fc.constantFrom(
        "date",
        "server",
        "x-a",
        "x-b",
        "cookie",
        "authorization",
        "accept-encoding",
        "x-request-id",
      ),
      fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/),
    );
    const value = fc.oneof(
      fc.constantFrom("", "1", "2", "gzip, deflate", "x".repeat(300)),
      fc.stringMatching(/^[!-~\xa0-\xff]{0,40}$/),
    );
    const sizes = fc.constantFrom(0, 64, 200, 4096);
    const blocks = fc.array(fc.tuple(fc.option(sizes), fc.array(fc.tuple(name, value), { maxLength: 12 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(sizes, blocks, (cap, list) => {
        const encoder = new HpackEncoder(cap);
        const decoder = new HpackDecoder(4096);
        for (const [limit, fields] of list) {
          if (limit !== null) encoder.setPeerLimit(limit);
          const bytes = encode(encoder, fields as Field[]);
          assert.deepEqual(
            decode(decoder, bytes),
            fields.map(([n, v]) => `${n}: ${v}`),
          );
          assert.equal(encoder.tableSize, decoder.tableSize);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("writes repeats as one byte, and secrets never into the table", () => {
    const encoder = new HpackEncoder(4096);
    const fields: Field[] = [
      ["server", "envoy"],
      ["x-unknown", "value"],
    ];
    encode(encoder, fields);
    assert.equal(encode(encoder, fields).length, 2);
    const secret = encode(encoder, [["authorization", "Bearer x"]]);
    assert.equal(secret[0]! & 0xf0, 0x10);
    assert.deepEqual(encode(encoder, [["authorization", "Bearer x"]]), secret);
    assert.equal(encode(encoder, [["cookie", "a=b"]])[0]! & 0xf0, 0x10);
  });

  it("tells the smallest and the last size when a table shrinks and grows", () => {
    const encoder = new HpackEncoder(4096);
    encode(encoder, [["x", "y"]]);
    encoder.setPeerLimit(0);
    encoder.setPeerLimit(100);
    assert.equal(encode(encoder, [[":method", "GET"]]).toString("hex"), "203f4582");
    assert.equal(encoder.tableSize, 0);
  });

  it("does not keep names that left the table", () => {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder(4096);
    for (let i = 0; i < 2000; i++) {
      const bytes = encode(encoder, [[`x-${i}`, "v"]]);
      assert.deepEqual(decode(decoder, bytes), [`x-${i}: v`]);
    }
    assert.ok(encoder.tableSize <= 4096);
  });
});
