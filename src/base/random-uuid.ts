import { latin1 } from "./latin1.ts";

// An import statement would load the Web Crypto API as well.
const { randomFillSync } = process.getBuiltinModule("node:crypto");
/** Asking the system costs as much as making twenty of them. */
const BATCH = 1024;
const HEX = Buffer.from("0123456789abcdef");
const DASH = 45;
const random = Buffer.alloc(16 * BATCH);

/** Version 4 UUIDs (RFC 9562 section 5.4) between two fixed texts. Made in batches and cut out of one string. */
export class RandomUuids {
  readonly #ascii: Buffer;
  readonly #prefix: Buffer;
  readonly #length: number;
  #text = "";
  #next = 0;

  constructor(prefix = "", suffix = "") {
    const one = Buffer.from(`${prefix}${"-".repeat(36)}${suffix}`, "latin1");
    this.#prefix = Buffer.from(prefix, "latin1");
    this.#length = one.length;
    this.#ascii = Buffer.alloc(one.length * BATCH, one);
  }

  next(): string {
    const start = this.#next;
    if (start >= this.#text.length) return this.#first();
    this.#next = start + this.#length;
    return this.#text.slice(start, start + this.#length);
  }

  #first(): string {
    const ascii = this.#ascii;
    randomFillSync(random);
    for (let i = 0; i < BATCH; i++) writeUuid(i * 16, ascii, i * this.#length + this.#prefix.length);
    this.#text = latin1(ascii, 0, ascii.length);
    this.#next = this.#length;
    return this.#text.slice(0, this.#length);
  }
}

const plain = new RandomUuids();

/** A version 4 UUID. */
export function randomUuid(): string {
  return plain.next();
}

function writeUuid(from: number, ascii: Buffer, to: number): void {
  random[from + 6] = (random[from + 6]! & 0x0f) | 0x40;
  random[from + 8] = (random[from + 8]! & 0x3f) | 0x80;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) ascii[to++] = DASH;
    const byte = random[from + i]!;
    ascii[to++] = HEX[byte >> 4]!;
    ascii[to++] = HEX[byte & 15]!;
  }
}
