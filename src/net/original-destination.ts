import type { Server, Socket } from "node:net";
import { ipv6Text } from "../base/ipv6-text.ts";
import { SocketOption, SocketOptions } from "./socket-options.ts";

const AF_INET = 2;
const AF_INET6 = 10;

/** Why original destinations cannot be found on this system; undefined = they can. */
export function originalDestinationProblem(): string | undefined {
  const options = SocketOptions.get();
  return typeof options === "string" ? options : undefined;
}

/**
 * Where a connection went before the kernel redirected it here: by REDIRECT or DNAT as connection tracking remembers it,
 * by TPROXY the socket's own address. Undefined for connections that were not redirected.
 */
export function originalDestination(
  socket: Socket,
): { readonly ip: string; readonly port: number } | undefined {
  const options = SocketOptions.get();
  if (typeof options === "string") return undefined;
  const { localAddress, localPort } = socket;
  if (localAddress === undefined || localPort === undefined) return undefined;
  const ip = localAddress.startsWith("::ffff:") ? localAddress.slice(7) : localAddress;
  const ipv6 = ip.includes(":");
  const transparent = options.read(socket, ipv6 ? SocketOption.Transparent6 : SocketOption.Transparent4);
  if (transparent !== undefined && transparent.readInt32LE() !== 0) return { ip, port: localPort };
  const found = options.read(socket, ipv6 ? SocketOption.OriginalDst6 : SocketOption.OriginalDst4);
  return found === undefined ? undefined : addressOf(found);
}

/** Lets a listening socket take connections that TPROXY sends it. False if the system refuses. */
export function makeTransparent(server: Server, ipv6: boolean): boolean {
  const options = SocketOptions.get();
  const option = ipv6 ? SocketOption.Transparent6 : SocketOption.Transparent4;
  return typeof options !== "string" && options.set(server, option, 1);
}

/** Reads a struct sockaddr. */
function addressOf(bytes: Buffer): { ip: string; port: number } | undefined {
  const family = bytes.readUInt16LE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET) return { ip: bytes.subarray(4, 8).join("."), port };
  if (family !== AF_INET6) return undefined;
  return { ip: ipv6Text(bytes.subarray(8, 24)), port };
}
