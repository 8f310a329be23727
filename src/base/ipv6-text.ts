import { SocketAddress } from "node:net";

/** The usual text of an IPv6 address of 16 bytes, e.g. "fd00::1". */
export function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}
