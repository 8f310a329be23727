import { CODE_LENGTHS, CODES, END_OF_STRING } from "../http/h2/hpack/huffman-code.ts";
import { STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "../http/h2/hpack/static-table.ts";

export type Field = readonly [name: string, value: string];

/**
 * Reads field blocks as RFC 7541 tells it, bit by bit. It judges nothing but the encoding, and shares the tables of the RFC's
 * appendices with our codec but no code, so that a test does not ask the codec what the codec wrote.
 */
export class HpackReader {
  #dynamic: Field[] = [];
  #limit = 4096;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The fields of a block (latin1); throws when it is broken. */
  read(block: Buffer): Field[] {
    this.#bytes = block;
    this.#at = 0;
    const fields: Field[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if (first >= 0x80) fields.push(this.#entry(this.#integer(7)));
      else if (first >= 0x40) {
        fields.push(this.#literal(6));
        this.#dynamic.unshift(fields.at(-1)!);
        this.#evict();
      } else if (first >= 0x20) {
        this.#limit = this.#integer(5);
        this.#evict();
      } else fields.push(this.#literal(4));
    }
    return fields;
  }

  #literal(prefix: number): Field {
    const index = this.#integer(prefix);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    return [name, this.#text()];
  }

  #entry(index: number): Field {
    if (index > 0 && index <= STATIC_COUNT) return [STATIC_NAMES[index]!, STATIC_VALUES[index]!];
    const entry = this.#dynamic[index - STATIC_COUNT - 1];
    if (entry === undefined) throw new Error(`no entry ${index} in the table`);
    return entry;
  }

  #evict(): void {
    const size = (): number =>
      this.#dynamic.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.#limit) this.#dynamic.pop();
  }

  #integer(prefix: number): number {
    const most = 2 ** prefix - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #text(): string {
    const coded = (this.#bytes[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new Error("a string is cut");
    this.#at += length;
    return coded ? huffman(bytes) : bytes.toString("latin1");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("the block is cut");
    return byte;
  }
}

const symbols = new Map(CODES.map((code, symbol) => [`${CODE_LENGTHS[symbol]}:${code}`, symbol]));

function huffman(bytes: Buffer): string {
  let text = "";
  let code = 0;
  let length = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    code = code * 2 + ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
    const symbol = symbols.get(`${++length}:${code}`);
    if (symbol === undefined) continue;
    if (symbol === END_OF_STRING) throw new Error("the end of a string inside of one");
    text += String.fromCharCode(symbol);
    code = length = 0;
  }
  if (length > 7 || code !== 2 ** length - 1) throw new Error("wrong padding");
  return text;
}
