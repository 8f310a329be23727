import { isIPv4, isIPv6 } from "node:net";

/**
 * An IP address as 16 bytes (IPv4 as ::ffff:a.b.c.d), or undefined if the text is none. Zone ids are ignored.
 */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return mapped(text);
  const zone = text.indexOf("%");
  const plain = zone < 0 ? text : text.slice(0, zone);
  return isIPv6(plain) ? parseIpv6(plain) : undefined;
}

/** An address block such as 10.0.0.0/8. */
export class Cidr {
  /** Bits that count, of 128; IPv4 blocks have 96 more than written. */
  readonly bits: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, bits: number) {
    this.#bytes = bytes;
    this.bits = bits;
  }

  /** Throws if the address is none or the length is too large. */
  static of(address: string, length: number): Cidr {
    const bytes = parseIp(address);
    if (bytes === undefined) throw new Error(`malformed IP address: ${address}`);
    const most = isIPv4(address) ? 32 : 128;
    if (!(length >= 0 && length <= most))
      throw new Error(`invalid prefix length ${length} of ${address}, at most ${most}`);
    return new Cidr(bytes, length + 128 - most);
  }

  /** Whether an address, as `parseIp` gives it, lies in the block. */
  contains(address: Uint8Array): boolean {
    const whole = this.bits >> 3;
    for (let i = 0; i < whole; i++) if (address[i] !== this.#bytes[i]) return false;
    const rest = this.bits & 7;
    return rest === 0 || (address[whole]! ^ this.#bytes[whole]!) >> (8 - rest) === 0;
  }
}

/** Whether the text is a loopback address. */
export function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1" || ip.startsWith("::ffff:127.");
}

function mapped(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[10] = bytes[11] = 0xff;
  const parts = text.split(".");
  for (let i = 0; i < 4; i++) bytes[12 + i] = Number(parts[i]);
  return bytes;
}

function parseIpv6(text: string): Uint8Array {
  let hex = text;
  const dot = text.indexOf(".");
  if (dot >= 0) {
    const colon = text.lastIndexOf(":");
    const [a = 0, b = 0, c = 0, d = 0] = text
      .slice(colon + 1)
      .split(".")
      .map(Number);
    hex = `${text.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = "", tail] = hex.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...front, ...new Array<string>(8 - front.length - back.length).fill("0"), ...back];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  });
  return bytes;
}
