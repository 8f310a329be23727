// Reads the ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2) from the first bytes of a connection, without answering it.

/** What a ClientHello says of where it wants to go. */
export interface ClientHello {
  /** Lower case; "" when the client names none. */
  readonly serverName: string;
  /** In the client's order. */
  readonly protocols: readonly string[];
}

/** Why there is no ClientHello yet, or none at all. */
export type ClientHelloProblem = "more" | "not-tls" | "too-large";

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const HOST_NAME = 0;
const RECORD_HEADER = 5;
/** RFC 8446, 5.1: 2^14 bytes, and RFC 5246 lets records be no longer either before encryption. */
const MAX_RECORD = 16_384;

/**
 * Looks at all bytes received so far. "more": the message is not complete; "too-large": it is longer than `limit`.
 * The message may be spread over several records.
 */
export function parseClientHello(bytes: Buffer, limit: number): ClientHello | ClientHelloProblem {
  const message = joinRecords(bytes.length > limit ? bytes.subarray(0, limit) : bytes, limit);
  if (message === "not-tls") return "not-tls";
  const { body, complete } = message;
  if (body.length > 0 && body[0] !== CLIENT_HELLO) return "not-tls";
  if (body.length >= 4) {
    const length = body.readUIntBE(1, 3);
    if (length + 4 > limit) return "too-large";
    if (body.length >= 4 + length) return readHello(body.subarray(4, 4 + length)) ?? "not-tls";
  }
  if (complete && body.length >= limit) return "too-large";
  return bytes.length >= limit ? "too-large" : "more";
}

/** Handshake bytes without their record headers; in time that grows with the bytes only, however small the records are. */
function joinRecords(bytes: Buffer, limit: number): { body: Buffer; complete: boolean } | "not-tls" {
  const body = Buffer.allocUnsafe(bytes.length);
  let size = 0;
  const joined = (complete: boolean): { body: Buffer; complete: boolean } => ({
    body: body.subarray(0, size),
    complete,
  });
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] !== HANDSHAKE_RECORD) return "not-tls";
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return "not-tls";
    if (at + RECORD_HEADER > bytes.length) return joined(false);
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_RECORD) return "not-tls";
    const end = at + RECORD_HEADER + length;
    size += bytes.copy(body, size, at + RECORD_HEADER, Math.min(end, bytes.length));
    if (size > 0 && body[0] !== CLIENT_HELLO) return "not-tls";
    if (size >= 4) {
      // Whatever follows the message in the same flight (early data) is not looked at, nor what is too long anyway.
      const whole = 4 + body.readUIntBE(1, 3);
      if (size >= whole || whole > limit) return joined(true);
    }
    if (end > bytes.length) return joined(false);
    at = end;
  }
  return joined(true);
}

/** Undefined when lengths contradict each other. */
function readHello(body: Buffer): ClientHello | undefined {
  let at = 2 + 32;
  if (body.length < at + 1 || body[0] !== 3) return undefined;
  at += 1 + body[at]!;
  if (at + 2 > body.length) return undefined;
  at += 2 + body.readUInt16BE(at);
  if (at + 1 > body.length) return undefined;
  at += 1 + body[at]!;
  if (at > body.length) return undefined;
  if (at === body.length) return { serverName: "", protocols: [] };
  if (at + 2 > body.length || at + 2 + body.readUInt16BE(at) !== body.length) return undefined;
  at += 2;
  let serverName = "";
  let protocols: string[] = [];
  while (at < body.length) {
    if (at + 4 > body.length) return undefined;
    const type = body.readUInt16BE(at);
    const end = at + 4 + body.readUInt16BE(at + 2);
    if (end > body.length) return undefined;
    const data = body.subarray(at + 4, end);
    if (type === SERVER_NAME) {
      const name = readServerName(data);
      if (name === undefined) return undefined;
      serverName = name;
    } else if (type === ALPN) {
      const names = readProtocols(data);
      if (names === undefined) return undefined;
      protocols = names;
    }
    at = end;
  }
  return { serverName, protocols };
}

/** RFC 6066, 3. */
function readServerName(data: Buffer): string | undefined {
  if (data.length < 2 || data.readUInt16BE(0) !== data.length - 2) return undefined;
  let at = 2;
  while (at < data.length) {
    if (at + 3 > data.length) return undefined;
    const end = at + 3 + data.readUInt16BE(at + 1);
    if (end > data.length) return undefined;
    if (data[at] === HOST_NAME) {
      const name = data.toString("latin1", at + 3, end);
      return name === "" || name.includes("\0") ? undefined : name.toLowerCase();
    }
    at = end;
  }
  return "";
}

/** RFC 7301, 3.1. */
function readProtocols(data: Buffer): string[] | undefined {
  if (data.length < 2 || data.readUInt16BE(0) !== data.length - 2) return undefined;
  const names: string[] = [];
  let at = 2;
  while (at < data.length) {
    const end = at + 1 + data[at]!;
    if (end === at + 1 || end > data.length) return undefined;
    names.push(data.toString("latin1", at + 1, end));
    at = end;
  }
  return names;
}
