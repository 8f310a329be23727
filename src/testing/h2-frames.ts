import { HpackDecoder } from "../http/h2/hpack/decoder.ts";

// HTTP/2 frames by hand, for tests that send what no decent peer would.

const NAMES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];
export type FrameName =
  | "DATA"
  | "HEADERS"
  | "PRIORITY"
  | "RST_STREAM"
  | "SETTINGS"
  | "PUSH_PROMISE"
  | "PING"
  | "GOAWAY"
  | "WINDOW_UPDATE"
  | "CONTINUATION";

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** One frame; a type as a number may be one that nobody knows. */
export function frame(
  type: FrameName | number,
  flags: number,
  id: number,
  payload: Buffer | string = "",
): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = typeof type === "number" ? type : NAMES.indexOf(type);
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32BE(value, i * 4));
  return bytes;
}

export function settings(pairs: Record<number, number> = {}): Buffer {
  const entries = Object.entries(pairs).map(([id, value]) => {
    const bytes = Buffer.alloc(6);
    bytes.writeUInt16BE(Number(id));
    bytes.writeUInt32BE(value, 2);
    return bytes;
  });
  return frame("SETTINGS", 0, 0, Buffer.concat(entries));
}

/** A field block of literals without indexing. */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** A field block of literals that go into the dynamic table. */
export function indexedBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x40]), text(name), text(value)]));
}

/** The pseudo fields of a GET, and more fields. */
export function getFields(...more: [string, string][]): [string, string][] {
  return [[":method", "GET"], [":scheme", "http"], [":authority", "h"], [":path", "/"], ...more];
}

/** HEADERS with a whole field block. */
export function headers(
  id: number,
  fields: readonly (readonly [string, string])[],
  flags = END_STREAM,
): Buffer {
  return frame("HEADERS", flags | END_HEADERS, id, block(fields));
}

/** What a peer wrote, a line per frame; field blocks are decoded. */
export class FrameLog {
  readonly lines: string[] = [];
  readonly #decoder = new HpackDecoder(4096);
  #rest: Buffer = Buffer.alloc(0);

  add(bytes: Buffer): void {
    let rest = Buffer.concat([this.#rest, bytes]);
    if (rest.subarray(0, PREFACE.length).equals(PREFACE)) rest = rest.subarray(PREFACE.length);
    while (rest.length >= 9) {
      const end = 9 + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      this.#show(rest[3]!, rest[4]!, rest.readUInt32BE(5), rest.subarray(9, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }

  #show(type: number, flags: number, id: number, payload: Buffer): void {
    const name = NAMES[type] ?? `TYPE-${type}`;
    const end = (flags & END_STREAM) !== 0;
    switch (name) {
      case "DATA":
        return this.#line(`${name} ${id} ${payload.toString("latin1")}${end ? " END" : ""}`);
      case "HEADERS":
        return this.#line(`${name} ${id} ${this.#fields(payload, flags)}${end ? " END" : ""}`);
      case "RST_STREAM":
        return this.#line(`${name} ${id} ${payload.readUInt32BE()}`);
      case "SETTINGS":
        return this.#line(end ? `${name} ACK` : `${name} ${showSettings(payload)}`);
      case "PING":
        return this.#line(`${name}${end ? " ACK" : ""} ${payload.toString("hex")}`);
      case "GOAWAY":
        return this.#line(`${name} ${payload.readUInt32BE()} ${payload.readUInt32BE(4)}`);
      case "WINDOW_UPDATE":
        return this.#line(`${name} ${id} ${payload.readUInt32BE()}`);
      default:
        return this.#line(`${name} ${id} ${payload.length} bytes`);
    }
  }

  #fields(payload: Buffer, flags: number): string {
    if ((flags & END_HEADERS) === 0) return `${payload.length} bytes`;
    const fields: string[] = [];
    const receiver = {
      field: (_: number, name: string, value: string) => void fields.push(`${name}=${value}`),
    };
    if (!this.#decoder.decode(payload, 0, payload.length, receiver)) fields.push("(broken)");
    return fields.join(" ");
  }

  #line(text: string): void {
    this.lines.push(text);
  }
}

function showSettings(payload: Buffer): string {
  const pairs: string[] = [];
  for (let at = 0; at < payload.length; at += 6)
    pairs.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
  return pairs.join(" ");
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  const length: number[] = [];
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    for (rest -= 127; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}
