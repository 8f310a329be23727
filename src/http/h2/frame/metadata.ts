import type { Metadata } from "../../metadata.ts";
import { huffmanEncode } from "../hpack/huffman-encode.ts";
import { STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "../hpack/static-table.ts";
import { writeInteger } from "../hpack/write-integer.ts";
import { END_METADATA, FRAME_HEADER, MAX_FRAME_SIZE, METADATA } from "./frame-type.ts";
import type { FrameWriter } from "./frame-writer.ts";

/** Bytes of any length that fits in memory. */
const LONGEST_INTEGER = 6;

/** Writes a block of metadata, in several frames if need be. */
export function writeMetadata(writer: FrameWriter, streamId: number, metadata: Metadata): void {
  const block = Buffer.concat(inOrder(metadata).map(([name, value]) => encodeEntry(name, value)));
  for (let at = 0; at < block.length; at += MAX_FRAME_SIZE) {
    const end = Math.min(at + MAX_FRAME_SIZE, block.length);
    writer.room(FRAME_HEADER + end - at);
    const flags = end === block.length ? END_METADATA : 0;
    writer.header(end - at, METADATA, flags, streamId);
    writer.at += block.copy(writer.buffer, writer.at, at, end);
  }
}

/** Names that look like pseudo fields go first, as Envoy's encoder has it. */
function inOrder(metadata: Metadata): [string, string][] {
  const { pseudo = [], regular = [] } = Object.groupBy(metadata, ([name]) =>
    name.startsWith(":") ? "pseudo" : "regular",
  );
  return [...pseudo, ...regular];
}

/** Without a dynamic table: blocks have nothing in common. */
function encodeEntry(name: string, value: string): Buffer {
  let nameIndex = 0;
  for (let index = STATIC_COUNT; index > 0; index--) {
    if (STATIC_NAMES[index] !== name) continue;
    if (value !== "" && STATIC_VALUES[index] === value) return Buffer.of(0x80 | index);
    nameIndex = index;
  }
  const literal = encodeInteger(nameIndex, 15, 0);
  return Buffer.concat(
    nameIndex > 0 ? [literal, encodeString(value)] : [literal, encodeString(name), encodeString(value)],
  );
}

/** The shorter form of the two. */
function encodeString(text: string): Buffer {
  const plain = Buffer.from(text, "latin1");
  const coded = huffmanEncode(plain);
  return coded.length < plain.length
    ? Buffer.concat([encodeInteger(coded.length, 127, 0x80), coded])
    : Buffer.concat([encodeInteger(plain.length, 127, 0), plain]);
}

function encodeInteger(value: number, mask: number, flags: number): Buffer {
  const bytes = Buffer.allocUnsafe(LONGEST_INTEGER);
  return bytes.subarray(0, writeInteger(bytes, 0, value, mask, flags));
}
