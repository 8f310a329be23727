import { latin1 } from "./latin1.ts";

// An import statement would load the Web Crypto API as well.
const { randomFillSync } = process.getBuiltinModule("node:crypto");
const BATCH = 256;
const LENGTH = 36;
const HEX = Buffer.from("0123456789abcdef");
const random = Buffer.alloc(16 * BATCH);
const ascii = Buffer.alloc(LENGTH * BATCH);
let text = "";
let next = LENGTH * BATCH;

/** A version 4 UUID (RFC 9562 section 5.4). Made in batches, which costs a fifth of asking the system for each. */
export function randomUuid(): string {
  if (next === LENGTH * BATCH) refill();
  const start = next;
  next += LENGTH;
  return text.slice(start, next);
}

function refill(): void {
  randomFillSync(random);
  let to = 0;
  for (let from = 0; from < random.length; from += 16) {
    random[from + 6] = (random[from + 6]! & 0x0f) | 0x40;
    random[from + 8] = (random[from + 8]! & 0x3f) | 0x80;
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) ascii[to++] = 45;
      const byte = random[from + i]!;
      ascii[to++] = HEX[byte >> 4]!;
      ascii[to++] = HEX[byte & 15]!;
    }
  }
  text = latin1(ascii, 0, to);
  next = 0;
}
