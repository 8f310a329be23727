import type { NetConnectOpts } from "node:net";
import type { UpstreamHost } from "./host.ts";

/** Where connections to a host go, and how many bytes may wait on them. */
export function connectTarget({ address, ip, port }: UpstreamHost, bufferLimit: number): NetConnectOpts {
  // Undocumented in node:net, but passed on to the stream that the socket is.
  const stream = { highWaterMark: bufferLimit };
  if (ip !== "") return { host: ip, port, ...stream };
  // "@name" is a socket in Linux's abstract namespace.
  return { path: address.startsWith("@") ? `\0${address.slice(1)}` : address, ...stream };
}

/** "ip:port" of a socket's own end; "" if it has none. */
export function ownAddress(ip: string | undefined, port: number | undefined): string {
  if (ip === undefined) return "";
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
