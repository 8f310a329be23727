// Reads PROXY protocol headers (haproxy.org/download/3.0/doc/proxy-protocol.txt) as strictly as Envoy does.
import { SocketAddress } from "node:net";
import { parseIp } from "../../base/cidr.ts";
import { ipv6Text } from "../../base/ipv6-text.ts";
import {
  V1_SIGNATURE,
  V2_SIGNATURE,
  type ProxiedAddresses,
  type ProxyHeader,
  type ProxyTlv,
} from "./proxy-header.ts";

/** A header and its length in bytes. */
export interface FoundProxyHeader {
  readonly header: ProxyHeader;
  readonly length: number;
}

/**
 * Why there is no header. "more": it is not complete; "none": the bytes begin otherwise; "endless": a line of version 1
 * that does not end; "bad-v1", "bad-v2": it breaks the rules.
 */
export type ProxyHeaderProblem = "more" | "none" | "endless" | "bad-v1" | "bad-v2";

/** Longest header of version 1 with its line end, as Envoy counts. */
const MAX_V1 = 108;
const V2_HEADER = 16;
const TLV_HEADER = 3;
const LOCAL = 0;
const PROXY = 1;
const INET = 1;
const INET6 = 2;
const STREAM = 1;
const DATAGRAM = 2;

/** Looks at all bytes received so far. */
export function readProxyHeader(bytes: Buffer): FoundProxyHeader | ProxyHeaderProblem {
  if (startsLike(bytes, V2_SIGNATURE)) return bytes.length < V2_HEADER ? "more" : readV2(bytes);
  if (!startsLike(bytes, V1_SIGNATURE)) return "none";
  return bytes.length < V1_SIGNATURE.length ? "more" : readV1(bytes);
}

/** Whether the bytes are a beginning of the signature, or begin with it. */
function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readV1(bytes: Buffer): FoundProxyHeader | ProxyHeaderProblem {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return bytes.length >= MAX_V1 ? "endless" : "more";
  const length = end + 2;
  if (length > MAX_V1) return "bad-v1";
  const [, family = "", ...fields] = bytes.toString("latin1", 0, end).trimEnd().split(" ");
  if (family === "UNKNOWN") return { header: { version: 1, addresses: undefined, tlvs: [] }, length };
  const addresses = fields.length === 4 ? addressesV1(family, fields) : undefined;
  return addresses === undefined ? "bad-v1" : { header: { version: 1, addresses, tlvs: [] }, length };
}

function addressesV1(family: string, fields: readonly string[]): ProxiedAddresses | undefined {
  const wanted = family === "TCP4" ? "ipv4" : family === "TCP6" ? "ipv6" : undefined;
  const [source, destination] = [fields[0]!, fields[1]!].map((text) => ipOf(text, wanted));
  const [from, to] = [fields[2]!, fields[3]!].map(portOf);
  if (wanted === undefined || source === undefined || destination === undefined) return undefined;
  if (from === undefined || to === undefined) return undefined;
  return { source: { ip: source, port: from }, destination: { ip: destination, port: to } };
}

/** The address in its usual form, if it is one of this family that a TCP peer can have. */
function ipOf(text: string, family: "ipv4" | "ipv6" | undefined): string | undefined {
  const plain = family === "ipv6" ? text.replace(/%.*$/, "") : text;
  if (family === undefined || parseIp(plain) === undefined) return undefined;
  if ((family === "ipv6") !== plain.includes(":")) return undefined;
  const ip = new SocketAddress({ address: plain, family }).address;
  return isUnicast(ip) ? ip : undefined;
}

function isUnicast(ip: string): boolean {
  if (ip.includes(":")) return ip !== "::" && !ip.toLowerCase().startsWith("ff");
  const first = Number(ip.slice(0, ip.indexOf(".")));
  return ip !== "0.0.0.0" && ip !== "255.255.255.255" && (first < 224 || first > 239);
}

function portOf(text: string): number | undefined {
  const port = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : undefined;
}

function readV2(bytes: Buffer): FoundProxyHeader | ProxyHeaderProblem {
  const command = bytes[12]! & 15;
  if (bytes[12]! >> 4 !== 2 || command > PROXY) return "bad-v2";
  const length = V2_HEADER + bytes.readUInt16BE(14);
  const family = bytes[13]! >> 4;
  const size = family === INET ? 12 : family === INET6 ? 36 : 0;
  if (command === PROXY) {
    const transport = bytes[13]! & 15;
    if (size === 0 || (transport !== STREAM && transport !== DATAGRAM)) return "bad-v2";
    if (length < V2_HEADER + size) return "bad-v2";
  }
  if (bytes.length < length) return "more";
  if (command === LOCAL) return { header: { version: 2, addresses: undefined, tlvs: [] }, length };
  const addresses = addressesV2(bytes.subarray(V2_HEADER, V2_HEADER + size));
  const tlvs = tlvsOf(bytes.subarray(V2_HEADER + size, length));
  if (addresses === undefined || tlvs === undefined) return "bad-v2";
  return { header: { version: 2, addresses, tlvs }, length };
}

function addressesV2(bytes: Buffer): ProxiedAddresses | undefined {
  const size = (bytes.length - 4) / 2;
  const source = textOf(bytes.subarray(0, size));
  const destination = textOf(bytes.subarray(size, 2 * size));
  if (!isUnicast(source) || !isUnicast(destination)) return undefined;
  return {
    source: { ip: source, port: bytes.readUInt16BE(2 * size) },
    destination: { ip: destination, port: bytes.readUInt16BE(2 * size + 2) },
  };
}

function textOf(ip: Buffer): string {
  if (ip.length === 4) return ip.join(".");
  return ipv6Text(ip);
}

function tlvsOf(bytes: Buffer): ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + TLV_HEADER > bytes.length) return undefined;
    const start = at + TLV_HEADER;
    const end = start + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return undefined;
    tlvs.push({ type: bytes[at]!, value: Buffer.from(bytes.subarray(start, end)) });
    at = end;
  }
  return tlvs;
}
