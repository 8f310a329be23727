import assert from "node:assert/strict";
import type { FuzzTarget } from "./fuzz.ts";

/** Plays an input whole, byte by byte and in pieces of one size: each must tell the same. */
export function cut(play: (bytes: Buffer, step: number) => string): FuzzTarget["play"] {
  return (bytes, random) => {
    const whole = play(bytes, Math.max(1, bytes.length));
    assert.equal(play(bytes, 1), whole);
    assert.equal(play(bytes, 1 + random(16)), whole);
    return whole;
  };
}
