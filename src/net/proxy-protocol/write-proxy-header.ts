import { parseIp } from "../../base/cidr.ts";
import { V2_SIGNATURE, type ProxiedAddresses, type ProxyTlv } from "./proxy-header.ts";

const LOCAL = 0x20;
const PROXY = 0x21;
const STREAM_4 = 0x11;
const STREAM_6 = 0x21;

/** A header of version 1; UNKNOWN without addresses. */
export function proxyHeaderV1(addresses: ProxiedAddresses | undefined): Buffer {
  if (addresses === undefined) return Buffer.from("PROXY UNKNOWN\r\n", "latin1");
  const { source, destination } = addresses;
  const family = source.ip.includes(":") ? "TCP6" : "TCP4";
  const line = `PROXY ${family} ${source.ip} ${destination.ip} ${source.port} ${destination.port}\r\n`;
  return Buffer.from(line, "latin1");
}

/** A header of version 2; LOCAL without addresses. TLVs that make it longer than 65,535 bytes are left out. */
export function proxyHeaderV2(addresses: ProxiedAddresses | undefined, tlvs: readonly ProxyTlv[]): Buffer {
  if (addresses === undefined) return Buffer.concat([V2_SIGNATURE, Buffer.from([LOCAL, 0, 0, 0])]);
  const { source, destination } = addresses;
  const ipv4 = !source.ip.includes(":");
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const parts = [bytesOf(source.ip, ipv4), bytesOf(destination.ip, ipv4), ports];
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  for (const { type, value } of tlvs) {
    if (length + 3 + value.length > 65_535) continue;
    const head = Buffer.alloc(3);
    head.writeUInt8(type);
    head.writeUInt16BE(value.length, 1);
    parts.push(head, value);
    length += 3 + value.length;
  }
  const head = Buffer.from([PROXY, ipv4 ? STREAM_4 : STREAM_6, length >> 8, length & 255]);
  return Buffer.concat([V2_SIGNATURE, head, ...parts]);
}

function bytesOf(ip: string, ipv4: boolean): Buffer {
  const bytes = Buffer.from(parseIp(ip)!);
  return ipv4 ? bytes.subarray(12) : bytes;
}
