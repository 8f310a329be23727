import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STREAM_BUFFER_SIZE, StreamBuffers } from "./stream-buffers.ts";

describe("StreamBuffers", () => {
  it("hands out the buffer that came back last", () => {
    const buffers = new StreamBuffers();
    const first = buffers.take();
    const second = buffers.take();
    assert.notEqual(first, second);
    assert.equal(first.length, STREAM_BUFFER_SIZE);
    buffers.give(first);
    buffers.give(second);
    assert.equal(buffers.take(), second);
    assert.equal(buffers.take(), first);
  });

  it("keeps sixteen at most", () => {
    const buffers = new StreamBuffers();
    const taken = Array.from({ length: 20 }, () => buffers.take());
    for (const each of taken) buffers.give(each);
    const again = new Set(Array.from({ length: 20 }, () => buffers.take()));
    assert.equal(taken.filter((each) => again.has(each)).length, 16);
  });
});
