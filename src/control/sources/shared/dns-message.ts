// DNS messages (RFC 1035), as far as SRV records (RFC 2782) need them: Node's own resolver does not tell their TTL.

/** One SRV record. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Without the last dot; "" for the root, by which a domain says that it decidedly has no such service. */
  readonly target: string;
  /** Seconds. */
  readonly ttl: number;
}

export interface SrvAnswer {
  readonly id: number;
  /** Response code, RFC 1035 section 4.1.1: 0 = fine, 3 = no such name. */
  readonly code: number;
  readonly truncated: boolean;
  readonly records: readonly SrvRecord[];
}

const SRV = 33;
const INTERNET = 1;
const HEADER = 12;
const MAX_POINTERS = 64;

/** A question for the SRV records of a name. Throws an Error for a name that cannot be asked for. */
export function encodeSrvQuestion(id: number, name: string): Buffer {
  const labels = name.replace(/\.$/, "").split(".");
  const parts: Buffer[] = [];
  for (const label of labels) {
    const bytes = Buffer.from(label, "latin1");
    if (bytes.length === 0 || bytes.length > 63) throw new Error(`"${name}" is not a DNS name`);
    parts.push(Buffer.from([bytes.length]), bytes);
  }
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2); // recursion desired
  header.writeUInt16BE(1, 4); // one question
  return Buffer.concat([header, ...parts, Buffer.from([0, 0, SRV, 0, INTERNET])]);
}

/** Reads an answer to such a question. Throws an Error (RangeError where it is cut off) when it makes no sense. */
export function decodeSrvAnswer(message: Buffer, name: string): SrvAnswer {
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) === 0) throw new Error("it is a question");
  const questions = message.readUInt16BE(4);
  const answers = message.readUInt16BE(6);
  const truncated = (flags & 0x0200) !== 0;
  let offset = HEADER;
  for (let i = 0; i < questions; i++) {
    const question = readName(message, offset);
    if (question.name.toLowerCase() !== name.replace(/\.$/, "").toLowerCase())
      throw new Error("it answers another question");
    offset = question.end + 4;
  }
  const records: SrvRecord[] = [];
  // What is truncated is asked for again over TCP; its records do not matter.
  for (let i = 0; i < (truncated ? 0 : answers); i++) {
    offset = readName(message, offset).end;
    const type = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 8);
    const data = offset + 10;
    if (data + length > message.length) throw new RangeError("it is cut off");
    if (type === SRV) {
      records.push({
        priority: message.readUInt16BE(data),
        weight: message.readUInt16BE(data + 2),
        port: message.readUInt16BE(data + 4),
        target: readName(message, data + 6).name,
        ttl: message.readUInt32BE(offset + 4),
      });
    }
    offset = data + length;
  }
  return { id: message.readUInt16BE(0), code: flags & 0x000f, truncated, records };
}

/** A name at an offset, following pointers (RFC 1035 section 4.1.4), and where it ends. */
function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let offset = start;
  let end = -1;
  for (let pointers = 0; ;) {
    const length = message.readUInt8(offset);
    if (length >= 0xc0) {
      if (end < 0) end = offset + 2;
      if (++pointers > MAX_POINTERS) throw new Error("a name in it goes in circles");
      offset = message.readUInt16BE(offset) & 0x3fff;
    } else if (length === 0) {
      return { name: labels.join("."), end: end < 0 ? offset + 1 : end };
    } else {
      if (offset + 1 + length > message.length) throw new RangeError("it is cut off");
      labels.push(message.toString("latin1", offset + 1, offset + 1 + length));
      offset += 1 + length;
    }
  }
}
