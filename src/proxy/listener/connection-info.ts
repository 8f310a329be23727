import type { Socket } from "node:net";
import type { ListenerFacts } from "../api.ts";
import type { ConnectionInfo } from "../stream-info.ts";

let lastConnectionId = 0;

/** What an accepted socket and the listener filters say of a connection, with a number of its own. */
export function connectionInfo(
  socket: Socket,
  listenerName: string,
  facts: ListenerFacts,
  /** Of the pipe that it was accepted on; "" for IP addresses. */
  path: string,
): ConnectionInfo {
  const { remote, local } = facts;
  // Clients of a pipe have no address: as in Envoy, they are known by the pipe's.
  const directRemoteIp = unmapped(socket.remoteAddress ?? "");
  const directRemoteAddress = path === "" ? endpoint(directRemoteIp, socket.remotePort ?? 0) : path;
  const directLocalIp = unmapped(socket.localAddress ?? "");
  const directLocalPort = socket.localPort ?? 0;
  const directLocalAddress = path === "" ? endpoint(directLocalIp, directLocalPort) : path;
  return {
    id: ++lastConnectionId,
    remoteAddress: remote === undefined ? directRemoteAddress : endpoint(remote.ip, remote.port),
    remoteIp: remote === undefined ? directRemoteIp : remote.ip,
    directRemoteAddress,
    directRemoteIp,
    localAddress: local === undefined ? directLocalAddress : endpoint(local.ip, local.port),
    localIp: local === undefined ? directLocalIp : local.ip,
    localPort: local === undefined ? directLocalPort : local.port,
    directLocalAddress,
    localRestored: local !== undefined,
    requestedServerName: facts.serverName,
    tls: false,
    listenerName,
    filterChainName: "",
    dynamicMetadata: facts.dynamicMetadata,
    filterState: facts.filterState,
    proxyTlvs: facts.proxyTlvs,
  };
}

function unmapped(ip: string): string {
  return ip.startsWith("::ffff:") ? ip.slice(7) : ip;
}

function endpoint(ip: string, port: number): string {
  if (ip === "") return "";
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
