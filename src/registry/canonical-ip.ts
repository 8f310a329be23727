import { isIPv4, isIPv6 } from "node:net";

/**
 * The one spelling of an IP address by which instances are told apart: IPv4 dotted, IPv6 compressed and in lower case
 * (RFC 5952), an IPv4-mapped IPv6 address as IPv4. Undefined when `text` is no address; one with a zone index is none here,
 * since it means something on one machine only.
 */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const high = Number.parseInt(mapped[1] ?? "", 16);
  const low = Number.parseInt(mapped[2] ?? "", 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
