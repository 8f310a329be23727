import type { Socket } from "node:net";
import type { ConnectionInfo } from "../stream-info.ts";

let lastConnectionId = 0;

/** What an accepted socket says of itself, with a number of its own. */
export function connectionInfo(socket: Socket, listenerName: string): ConnectionInfo {
  const remoteIp = unmapped(socket.remoteAddress ?? "");
  const localIp = unmapped(socket.localAddress ?? "");
  const localPort = socket.localPort ?? 0;
  return {
    id: ++lastConnectionId,
    directRemoteAddress: endpoint(remoteIp, socket.remotePort ?? 0),
    directRemoteIp: remoteIp,
    localAddress: endpoint(localIp, localPort),
    localIp,
    localPort,
    requestedServerName: "",
    tls: false,
    listenerName,
    filterChainName: "",
  };
}

function unmapped(ip: string): string {
  return ip.startsWith("::ffff:") ? ip.slice(7) : ip;
}

function endpoint(ip: string, port: number): string {
  if (ip === "") return "";
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
