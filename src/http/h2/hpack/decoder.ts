import { latin1 } from "../../../base/latin1.ts";
import { HEADER_NAMES, headerIdOfBytes } from "../../header-name.ts";
import { BAD_NAME, BAD_VALUE, pseudoCode, type FieldCode } from "./field-code.ts";
import { DynamicTable } from "./dynamic-table.ts";
import { huffmanDecode } from "./huffman-decode.ts";
import { STATIC_CODES, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";
import { NAME_BYTE, VALUE_BYTE } from "../characters.ts";

/** What a decoder calls for each field of a block, in order. */
export interface FieldReceiver {
  field(code: FieldCode, name: string, value: string): void;
}

/** Table size before any setting or update (RFC 9113 section 6.5.2). */
export const DEFAULT_TABLE_SIZE = 4096;
/** Integers above this are refused: nothing that we accept comes near. */
const LARGEST_INTEGER = 0xfff_ffff;
const COLON = 58;
const ZERO = 48;

let scratch: Buffer = Buffer.allocUnsafeSlow(4096);

/** HPACK decompression (RFC 7541) of one connection's incoming field blocks. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  /** Largest table size that the peer may choose. */
  #limit: number;
  #mustShrink = false;
  #bytes: Buffer = scratch;
  #at = 0;
  #end = 0;
  #failed = false;
  /** Field code of the name read last. */
  #nameCode = 0;
  #badValue = 0;

  /** @param tableSize SETTINGS_HEADER_TABLE_SIZE as announced to the peer */
  constructor(tableSize: number) {
    this.#limit = Math.max(tableSize, DEFAULT_TABLE_SIZE);
    this.#table = new DynamicTable(DEFAULT_TABLE_SIZE);
  }

  /** Octets in the dynamic table. */
  get tableSize(): number {
    return this.#table.size;
  }

  /** The peer has acknowledged the announced size: from now on it is the limit (RFC 7541 section 4.2). */
  acknowledged(tableSize: number): void {
    this.#limit = tableSize;
    if (this.#table.maxSize > tableSize) this.#mustShrink = true;
  }

  /** Decodes a whole field block. False when it is not valid, a connection error of type COMPRESSION_ERROR. */
  decode(bytes: Buffer, start: number, end: number, receiver: FieldReceiver): boolean {
    const valid = this.#run(bytes, start, end, receiver);
    this.#bytes = scratch;
    return valid;
  }

  #run(bytes: Buffer, start: number, end: number, receiver: FieldReceiver): boolean {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#failed = false;
    let began = false;
    while (this.#at < this.#end) {
      const first = bytes[this.#at]!;
      if (this.#mustShrink && first >> 5 !== 1) return false;
      if (first >= 128) {
        began = true;
        const index = this.#integer(127);
        if (index > 0 && index <= STATIC_COUNT) {
          receiver.field(STATIC_CODES[index]!, STATIC_NAMES[index]!, STATIC_VALUES[index]!);
          continue;
        }
        const table = this.#table;
        const age = index - STATIC_COUNT - 1;
        if (age < 0 || age >= table.count) return false;
        const slot = table.slot(age);
        receiver.field(table.code(slot), table.name(slot), table.value(slot));
      } else if (first >= 64) {
        began = true;
        const name = this.#name(63);
        const value = this.#string(false);
        if (this.#failed) return false;
        const code = this.#nameCode | this.#badValue;
        this.#table.add(code, name, value);
        receiver.field(code, name, value);
      } else if (first >= 32) {
        const size = this.#integer(31);
        if (began || size > this.#limit || this.#failed) return false;
        this.#mustShrink = false;
        this.#table.resize(size);
      } else {
        began = true;
        const name = this.#name(15);
        const value = this.#string(false);
        if (this.#failed) return false;
        receiver.field(this.#nameCode | this.#badValue, name, value);
      }
    }
    return !this.#failed;
  }

  /** Reads an integer whose prefix has the bits of `mask` (section 5.1); -1 on failure. */
  #integer(mask: number): number {
    const bytes = this.#bytes;
    let value = bytes[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) return this.#fail();
      const byte = bytes[this.#at++]!;
      value += (byte & 127) << shift;
      if (byte < 128) return value > LARGEST_INTEGER ? this.#fail() : value;
    }
    return this.#fail();
  }

  #name(mask: number): string {
    const index = this.#integer(mask);
    if (index === 0) return this.#string(true);
    if (index > 0 && index <= STATIC_COUNT) {
      this.#nameCode = STATIC_CODES[index]!;
      return STATIC_NAMES[index]!;
    }
    const table = this.#table;
    const age = index - STATIC_COUNT - 1;
    if (age < 0 || age >= table.count) {
      this.#fail();
      return "";
    }
    const slot = table.slot(age);
    this.#nameCode = table.code(slot) & ~BAD_VALUE;
    return table.name(slot);
  }

  /** Reads a string literal (section 5.2) and judges it as a name or a value. */
  #string(isName: boolean): string {
    if (this.#failed) return "";
    if (this.#at >= this.#end) {
      this.#fail();
      return "";
    }
    const coded = this.#bytes[this.#at]! >= 128;
    const length = this.#integer(127);
    const start = this.#at;
    if (length < 0 || length > this.#end - start) {
      this.#fail();
      return "";
    }
    this.#at = start + length;
    if (!coded) {
      return isName
        ? this.#judgeName(this.#bytes, start, start + length)
        : this.#judgeValue(this.#bytes, start, start + length);
    }
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2);
    const decoded = huffmanDecode(this.#bytes, start, start + length, scratch);
    if (decoded < 0) {
      this.#fail();
      return "";
    }
    const text = isName ? this.#judgeName(scratch, 0, decoded) : this.#judgeValue(scratch, 0, decoded);
    if (scratch.length > LARGEST_SCRATCH) scratch = Buffer.allocUnsafeSlow(4096);
    return text;
  }

  #judgeName(bytes: Buffer, start: number, end: number): string {
    if (start === end) {
      this.#nameCode = BAD_NAME;
      return "";
    }
    if (bytes[start] === COLON) {
      const name = latin1(bytes, start, end);
      this.#nameCode = pseudoCode(name);
      return name;
    }
    const id = headerIdOfBytes(bytes, start, end);
    this.#nameCode = id;
    if (id !== 0) return HEADER_NAMES[id]!;
    for (let i = start; i < end; i++) {
      if (NAME_BYTE[bytes[i]!] === 1) continue;
      this.#nameCode = BAD_NAME;
      break;
    }
    return latin1(bytes, start, end);
  }

  #judgeValue(bytes: Buffer, start: number, end: number): string {
    this.#badValue = 0;
    if (end - start <= 3) {
      if (start === end) return "";
      const number = smallNumber(bytes, start, end);
      if (number >= 0) return SMALL_NUMBERS[number]!;
    }
    for (let i = start; i < end; i++) {
      if (VALUE_BYTE[bytes[i]!] === 1) continue;
      this.#badValue = BAD_VALUE;
      break;
    }
    return latin1(bytes, start, end);
  }

  #fail(): number {
    this.#failed = true;
    // Ends the block: nothing after a fault means anything.
    this.#at = this.#end;
    return -1;
  }
}

const LARGEST_SCRATCH = 65_536;

/** Texts of lengths and times, which come again and again but are not worth an entry in a table. */
const SMALL_NUMBERS = Array.from({ length: 1000 }, (_, i) => String(i));

/** The number that these digits are, -1 if they are none or begin with a superfluous zero. */
function smallNumber(bytes: Buffer, start: number, end: number): number {
  let number = 0;
  if (bytes[start] === ZERO && end - start > 1) return -1;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
