import { isIPv4 } from "node:net";
import type { X509Certificate } from "node:crypto";

/** One entry of a certificate's subjectAltName extension. */
export interface SubjectAltName {
  readonly type: "email" | "dns" | "uri" | "ip" | "other";
  readonly value: string;
  /** Of "other" names; "" for the rest. */
  readonly oid: string;
}

/** 2.5.29.17 as encoded. */
const SUBJECT_ALT_NAME = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x11]);
const OCTET_STRING = 0x04;
const BOOLEAN = 0x01;
const CONTEXT = 0xa0;
const EXTENSIONS = 0xa3;

/** A DER element: tag and content [start, end). */
interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The certificate's names in their order, read from its DER form: the text that node:crypto offers needs unquoting and
 * has been misread before. Empty when there is no such extension.
 */
export function subjectAltNames(certificate: X509Certificate): SubjectAltName[] {
  const der = certificate.raw;
  if (!der.includes(SUBJECT_ALT_NAME)) return [];
  const outer = readElement(der, 0, der.length);
  const body = readElement(der, outer.start, outer.end);
  for (const field of elements(der, body)) {
    if (field.tag !== EXTENSIONS) continue;
    for (const extension of elements(der, readElement(der, field.start, field.end))) {
      const parts = elements(der, extension);
      const oid = der.subarray(extension.start, parts[0]!.end);
      if (!oid.equals(SUBJECT_ALT_NAME)) continue;
      const value = parts[1]?.tag === BOOLEAN ? parts[2] : parts[1];
      if (value?.tag !== OCTET_STRING) return [];
      return elements(der, readElement(der, value.start, value.end)).flatMap((name) =>
        generalName(der, name),
      );
    }
  }
  return [];
}

/** RFC 5280, 4.2.1.6. */
function generalName(der: Buffer, name: Element): SubjectAltName[] {
  const text = der.toString("latin1", name.start, name.end);
  switch (name.tag) {
    case 0x81:
      return [{ type: "email", value: text, oid: "" }];
    case 0x82:
      return [{ type: "dns", value: text, oid: "" }];
    case 0x86:
      return [{ type: "uri", value: text, oid: "" }];
    case 0x87:
      return [{ type: "ip", value: ipText(der.subarray(name.start, name.end)), oid: "" }];
    case CONTEXT: {
      const [oid, wrapped] = elements(der, name);
      if (oid === undefined || wrapped === undefined) return [];
      const value = wrapped.tag === CONTEXT ? readElement(der, wrapped.start, wrapped.end) : wrapped;
      return [
        {
          type: "other",
          value: der.toString("utf8", value.start, value.end),
          oid: oidText(der.subarray(oid.start, oid.end)),
        },
      ];
    }
    default:
      return [];
  }
}

function elements(der: Buffer, parent: Element): Element[] {
  const found: Element[] = [];
  for (let at = parent.start; at < parent.end;) {
    const element = readElement(der, at, parent.end);
    found.push(element);
    at = element.end;
  }
  return found;
}

function readElement(der: Buffer, at: number, limit: number): Element {
  const tag = der[at];
  let length = der[at + 1];
  let start = at + 2;
  if (length !== undefined && length >= 0x80) {
    const bytes = length & 0x7f;
    if (bytes === 0 || bytes > 4 || start + bytes > limit) throw new Error("malformed DER length");
    length = der.readUIntBE(start, bytes);
    start += bytes;
  }
  if (tag === undefined || length === undefined || start + length > limit)
    throw new Error("malformed DER element");
  return { tag, start, end: start + length };
}

/** "192.0.2.1", or IPv6 in its short form (RFC 5952). */
function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  const text = new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  return isIPv4(text) ? `::ffff:${text}` : text;
}

function oidText(bytes: Buffer): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of bytes) {
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      if (numbers.length === 0) {
        const first = Math.min(2, Math.floor(value / 40));
        numbers.push(first, value - 40 * first);
      } else numbers.push(value);
      value = 0;
    }
  }
  return numbers.join(".");
}
