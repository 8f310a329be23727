import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { TextSink } from "../../testing/codec-log.ts";
import type { Metadata } from "../metadata.ts";
import { END_METADATA, FRAME_HEADER, METADATA } from "./frame/frame-type.ts";
import { FrameWriter } from "./frame/frame-writer.ts";
import { writeMetadata } from "./frame/metadata.ts";
import { MetadataReader } from "./metadata-reader.ts";

/** The payloads of the frames that are written for a block. */
function payloads(metadata: Metadata): Buffer[] {
  const sink = new TextSink();
  const writer = new FrameWriter(sink);
  writeMetadata(writer, 5, metadata);
  writer.flush();
  const bytes = Buffer.from(sink.take(), "latin1");
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + FRAME_HEADER + bytes.readUIntBE(at, 3);
    assert.equal(bytes[at + 3], METADATA);
    assert.equal(bytes[at + 4], end === bytes.length ? END_METADATA : 0);
    assert.equal(bytes.readUInt32BE(at + 5), 5);
    found.push(bytes.subarray(at + FRAME_HEADER, end));
    at = end;
  }
  return found;
}

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const anyMetadata = fc.array(fc.tuple(latin1, latin1), { minLength: 1 }).map((entries) => new Map(entries));

describe("METADATA", () => {
  it("comes back as it was written, whatever its bytes", () => {
    fc.assert(
      fc.property(anyMetadata, (metadata) => {
        const reader = new MetadataReader(1_000_000);
        for (const each of payloads(metadata)) assert.ok(reader.add(each, 0, each.length));
        assert.deepEqual(reader.end(), metadata);
      }),
    );
  });

  it("is written in several frames when it is long", () => {
    const metadata = new Map([["k", "~".repeat(40_000)]]);
    const frames = payloads(metadata);
    assert.deepEqual(frames.map(({ length }) => length).slice(0, 2), [16_384, 16_384]);
    const reader = new MetadataReader(1_000_000);
    for (const each of frames) reader.add(each, 0, each.length);
    assert.deepEqual(reader.end(), metadata);
  });

  it("is limited over all blocks of a stream", () => {
    const reader = new MetadataReader(10);
    const block = Buffer.from("\0\x01a\x01b", "latin1");
    assert.ok(reader.add(block, 0, 5));
    assert.deepEqual(reader.end(), new Map([["a", "b"]]));
    assert.ok(reader.add(block, 0, 5));
    assert.equal(reader.add(block, 0, 1), false);
  });

  it("counts the first of entries with the same name", () => {
    const reader = new MetadataReader(100);
    const block = Buffer.from("\0\x01a\x01b\0\x01a\x01c", "latin1");
    reader.add(block, 0, block.length);
    assert.deepEqual(reader.end(), new Map([["a", "b"]]));
  });

  it("has a dynamic table for each block, and none after it", () => {
    const reader = new MetadataReader(100);
    const indexed = Buffer.from("\x40\x01a\x01b\xbe", "latin1");
    reader.add(indexed, 0, indexed.length);
    assert.deepEqual(reader.end(), new Map([["a", "b"]]));
    reader.add(Buffer.of(0xbe), 0, 1);
    assert.equal(reader.end(), undefined);
  });
});
