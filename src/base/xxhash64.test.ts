import assert from "node:assert/strict";
import { it } from "node:test";
import { xxHash64 } from "./xxhash64.ts";

// Computed by the reference implementation (xxhsum -H64).
const SAMPLES: readonly (readonly [text: string, hash: bigint])[] = [
  ["", 0xef46db3751d8e999n],
  ["a", 0xd24ec4f1a98c6e5bn],
  ["abc", 0x44bc2cf5ad770999n],
  ["The quick brown fox jumps over the lazy dog", 0x0b242d361fda71bcn],
];

for (const [text, hash] of SAMPLES)
  it(`hashes "${text}"`, () => assert.equal(xxHash64(Buffer.from(text)), hash));
