import type { NetConnectOpts } from "node:net";
import type { UpstreamHost } from "./host.ts";

/** Where connections to a host go. */
export function connectTarget({ address, ip, port }: UpstreamHost): NetConnectOpts {
  if (ip !== "") return { host: ip, port };
  // "@name" is a socket in Linux's abstract namespace.
  return { path: address.startsWith("@") ? `\0${address.slice(1)}` : address };
}

/** "ip:port" of a socket's own end; "" if it has none. */
export function ownAddress(ip: string | undefined, port: number | undefined): string {
  if (ip === undefined) return "";
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
