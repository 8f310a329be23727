import { headerId } from "../../header-name.ts";
import type { FrameWriter } from "../frame/frame-writer.ts";
import { ENTRY_OVERHEAD } from "./dynamic-table.ts";
import {
  AUTHORITY,
  FIELD_CODE_COUNT,
  METHOD,
  PATH,
  SCHEME,
  STATUS,
  type FieldCode,
  fieldCode,
} from "./field-code.ts";
import { STATIC_COUNT, STATIC_INDEX_OF_CODE, STATIC_INDEX_OF_NAME } from "./static-table.ts";
import { writeInteger } from "./write-integer.ts";

/** `latin1Write` skips the encoding lookup of `write`. */
interface Latin1Buffer extends Buffer {
  latin1Write(text: string, offset: number): number;
}

const INDEXED = 0;
/** Literal without indexing: values that hardly ever come twice, or not soon enough. */
const WITHOUT_INDEXING = 1;
/** Literal that nobody on the way may index: secrets (RFC 7541 section 7.1.3). */
const NEVER_INDEXED = 2;

const policies = new Uint8Array(FIELD_CODE_COUNT);
policies[PATH] = WITHOUT_INDEXING;
for (const name of [
  "content-length",
  "etag",
  "if-none-match",
  "if-modified-since",
  "last-modified",
  "location",
])
  policies[headerId(name)] = WITHOUT_INDEXING;
for (const name of [
  "x-request-id",
  "x-envoy-upstream-service-time",
  "traceparent",
  "x-b3-traceid",
  "x-b3-spanid",
])
  policies[headerId(name)] = WITHOUT_INDEXING;
for (const name of ["authorization", "proxy-authorization", "set-cookie"])
  policies[headerId(name)] = NEVER_INDEXED;
const COOKIE = headerId("cookie");
const ACCEPT_ENCODING = headerId("accept-encoding");
const ACCEPT_ENCODING_INDEX = STATIC_INDEX_OF_CODE[ACCEPT_ENCODING]!;
/** A shorter cookie could be guessed from what compression saves. */
const SHORT_COOKIE = 20;

/** Entries of a chain that are looked at. */
const CHAIN_LIMIT = 6;
const FIRST_CAPACITY = 8;
/** Numbers of entries stay small integers: at this one the table starts afresh. */
const LAST_NUMBER = 0x3fff_0000;
/** Longest strings that are copied character by character: cheaper than a call. */
const SHORT_STRING = 32;

/**
 * HPACK compression (RFC 7541) of one connection's outgoing field blocks. The dynamic table is a ring of parallel arrays;
 * entries whose names have the same hash are chained, newest first. Plain arrays, because small typed ones take more memory. Holds no memory before the first entry. Strings are written plain:
 * repeats are single bytes anyhow, and Huffman coding costs more time than it saves bytes.
 */
export class HpackEncoder {
  /** Largest table that we would use, whatever the peer allows. */
  readonly #cap: number;
  #maxSize: number;
  #size = 0;
  #count = 0;
  /** Number of the newest entry; entries are numbered from 1. */
  #newest = 0;
  #mask = -1;
  #names: string[] = [];
  #values: string[] = [];
  /** Number of the next older entry of the same chain; 0 if there was none. */
  #older: number[] = [];
  /** Number of the newest entry of each chain. */
  #heads: number[] = [];
  /** Smallest size since the last block, to be told to the peer; -1 when nothing has changed. */
  #lowest = -1;

  /** @param cap octets of dynamic table that we are willing to use */
  constructor(cap: number) {
    this.#cap = cap;
    this.#maxSize = Math.min(cap, 4096);
    if (this.#maxSize < 4096) this.#lowest = this.#maxSize;
  }

  /** Octets in the dynamic table. */
  get tableSize(): number {
    return this.#size;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerLimit(limit: number): void {
    const size = Math.min(limit, this.#cap);
    if (size === this.#maxSize) return;
    this.#lowest = this.#lowest < 0 ? size : Math.min(this.#lowest, size);
    this.#maxSize = size;
    while (this.#size > size) this.#evict();
  }

  /** To be called before the first field of a block: tells changed table sizes (section 4.2). */
  begin(writer: FrameWriter): void {
    if (this.#newest > LAST_NUMBER) this.#startAfresh();
    if (this.#lowest < 0) return;
    writer.room(16);
    if (this.#lowest < this.#maxSize)
      writer.at = writeInteger(writer.buffer, writer.at, this.#lowest, 31, 0x20);
    writer.at = writeInteger(writer.buffer, writer.at, this.#maxSize, 31, 0x20);
    this.#lowest = -1;
  }

  method(writer: FrameWriter, method: string): void {
    if (method === "GET") this.#static(writer, 2);
    else if (method === "POST") this.#static(writer, 3);
    else this.field(writer, METHOD, ":method", method);
  }

  scheme(writer: FrameWriter, scheme: string): void {
    if (scheme === "http") this.#static(writer, 6);
    else if (scheme === "https") this.#static(writer, 7);
    else this.field(writer, SCHEME, ":scheme", scheme);
  }

  authority(writer: FrameWriter, authority: string): void {
    this.field(writer, AUTHORITY, ":authority", authority);
  }

  path(writer: FrameWriter, path: string): void {
    if (path === "/") this.#static(writer, 4);
    else this.field(writer, PATH, ":path", path);
  }

  status(writer: FrameWriter, status: number): void {
    const index = staticStatus(status);
    if (index !== 0) this.#static(writer, index);
    else this.field(writer, STATUS, ":status", String(status));
  }

  /** Writes one field. `code` is 0 for names that are not well known. */
  field(writer: FrameWriter, code: FieldCode, name: string, value: string): void {
    writer.room(name.length + value.length + 16);
    const oldest = this.#newest - this.#count;
    let named = 0;
    let number = this.#mask < 0 ? 0 : this.#heads[chainOf(code, name) & this.#mask]!;
    for (let steps = 0; number > oldest && steps < CHAIN_LIMIT; steps++) {
      const at = number & this.#mask;
      if (this.#names[at] === name) {
        if (this.#values[at] === value) {
          const index = STATIC_COUNT + 1 + this.#newest - number;
          writer.at = writeInteger(writer.buffer, writer.at, index, 127, 0x80);
          return;
        }
        if (named === 0) named = number;
      }
      number = this.#older[at]!;
    }
    if (code === ACCEPT_ENCODING && value === "gzip, deflate")
      return this.#static(writer, ACCEPT_ENCODING_INDEX);
    let policy = policies[code]!;
    if (code === COOKIE && value.length < SHORT_COOKIE) policy = NEVER_INDEXED;
    const size = name.length + value.length + ENTRY_OVERHEAD;
    if (policy === INDEXED && size > this.#maxSize >> 1) policy = WITHOUT_INDEXING;
    const nameIndex = named > 0 ? STATIC_COUNT + 1 + this.#newest - named : staticIndex(code, name);
    const { buffer } = writer;
    let at = writer.at;
    if (policy === INDEXED) at = writeInteger(buffer, at, nameIndex, 63, 0x40);
    else at = writeInteger(buffer, at, nameIndex, 15, policy === NEVER_INDEXED ? 0x10 : 0);
    if (nameIndex === 0) at = writeString(buffer, at, name);
    writer.at = writeString(buffer, at, value);
    if (policy === INDEXED) this.#add(code, name, value, size);
  }

  #static(writer: FrameWriter, index: number): void {
    writer.room(1);
    writer.buffer[writer.at++] = 0x80 | index;
  }

  #add(code: FieldCode, name: string, value: string, size: number): void {
    while (this.#size + size > this.#maxSize) this.#evict();
    if (this.#count > this.#mask) this.#enlarge();
    const number = ++this.#newest;
    const at = number & this.#mask;
    this.#names[at] = name;
    this.#values[at] = value;
    this.#count++;
    this.#size += size;
    const chain = chainOf(code, name) & this.#mask;
    this.#older[at] = this.#heads[chain]!;
    this.#heads[chain] = number;
  }

  #evict(): void {
    const number = this.#newest - --this.#count;
    const at = number & this.#mask;
    this.#size -= this.#names[at]!.length + this.#values[at]!.length + ENTRY_OVERHEAD;
    this.#names[at] = this.#values[at] = "";
  }

  #enlarge(): void {
    const capacity = this.#mask < 0 ? FIRST_CAPACITY : (this.#mask + 1) * 2;
    const mask = capacity - 1;
    const names = new Array<string>(capacity).fill("");
    const values = new Array<string>(capacity).fill("");
    const older = new Array<number>(capacity).fill(0);
    const heads = new Array<number>(capacity).fill(0);
    for (let number = this.#newest - this.#count + 1; number <= this.#newest; number++) {
      const name = this.#names[number & this.#mask]!;
      const at = number & mask;
      const chain = chainOf(fieldCode(name), name) & mask;
      names[at] = name;
      values[at] = this.#values[number & this.#mask]!;
      older[at] = heads[chain]!;
      heads[chain] = number;
    }
    this.#names = names;
    this.#values = values;
    this.#older = older;
    this.#heads = heads;
    this.#mask = mask;
  }

  #startAfresh(): void {
    while (this.#count > 0) this.#evict();
    this.#newest = 0;
    this.#heads.fill(0);
    this.#lowest = 0;
  }
}

/** Which chain a name belongs to, before the mask. */
function chainOf(code: FieldCode, name: string): number {
  if (code !== 0) return code;
  const last = name.length - 1;
  return name.length * 7 + name.charCodeAt(last) * 3 + name.charCodeAt(last >> 1);
}

/** Index of a static entry with this name; 0 if there is none. */
function staticIndex(code: FieldCode, name: string): number {
  return code === 0 ? (STATIC_INDEX_OF_NAME.get(name) ?? 0) : STATIC_INDEX_OF_CODE[code]!;
}

/** Index of `:status` with this value; 0 if there is none. */
function staticStatus(status: number): number {
  switch (status) {
    case 200:
      return 8;
    case 204:
      return 9;
    case 206:
      return 10;
    case 304:
      return 11;
    case 400:
      return 12;
    case 404:
      return 13;
    case 500:
      return 14;
    default:
      return 0;
  }
}

function writeString(buffer: Buffer, at: number, text: string): number {
  const length = text.length;
  const from = writeInteger(buffer, at, length, 127, 0);
  if (length > SHORT_STRING) return from + (buffer as Latin1Buffer).latin1Write(text, from);
  for (let i = 0; i < length; i++) buffer[from + i] = text.charCodeAt(i);
  return from + length;
}
