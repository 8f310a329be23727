import { BoundSocket, Socket, type Server } from "node:net";

/** What `Server` and `Socket` keep inside; documented nowhere, so nothing here relies on its being there. */
interface Handle {
  listen?(backlog: number): number;
  getpeername?(out: object): number;
}

/** How often it is tried to fill the queues while clients connect, in milliseconds. */
const TIME_LIMIT = 2000;
/** Probes for each queue before the next turn takes what is in them. */
const PROBES_PER_QUEUE = 8;

/** Local ports of probes that `isProbe` knows. */
const probes = new Set<number>();

/** Whether a connection comes from `closeListening` of this thread and is to be destroyed unseen. */
export function isProbe(socket: Socket): boolean {
  return probes.size > 0 && socket.remotePort !== undefined && probes.has(socket.remotePort);
}

/**
 * Closes all sockets that listen on one address, without a reset for anybody who has connected. The system resets the
 * connections that wait to be accepted when a socket closes, and one can come at any moment. So the queues are first
 * made as short as can be and filled with connections of our own, all in one turn: when they are full of those, nobody
 * else waits, and nobody can come (a SYN that comes is dropped, and refused when the client tries again). If somebody
 * was faster, the next turn accepts him, and it is tried again.
 *
 * Works if no other thread or process listens on the address; after two seconds the sockets are closed as they are.
 * @param servers listening in this thread; their "connection" listeners use `isProbe`
 */
export async function closeListening(servers: readonly Server[], ip: string, port: number): Promise<void> {
  const deadline = performance.now() + TIME_LIMIT;
  const handles = servers.map(handleOf);
  while (performance.now() < deadline && !fillAndClose(servers, handles, ip, port)) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  for (const server of servers) if (server.listening) server.close();
  probes.clear();
}

/** Returns whether the sockets are closed. */
function fillAndClose(
  servers: readonly Server[],
  handles: readonly (Handle | undefined)[],
  ip: string,
  port: number,
): boolean {
  // The shortest queue holds one connection.
  for (const handle of handles) handle?.listen?.(0);
  const filling: Socket[] = [];
  let full = 0;
  for (let left = PROBES_PER_QUEUE * (servers.length + 1); left > 0 && full < servers.length; left--) {
    const probe = connectNow(ip, port);
    if (probe === undefined) break;
    filling.push(probe.socket);
    if (probe.connected) full++;
  }
  const closed = full === servers.length;
  if (closed) for (const server of servers) server.close();
  else for (const handle of handles) handle?.listen?.(BACKLOG);
  for (const socket of filling) socket.destroy();
  return closed;
}

/** What a socket that is to go on for a moment is given back. */
const BACKLOG = 4096;

/** Connects within this call, if the queue that the system chose for it has room. */
function connectNow(ip: string, port: number): { socket: Socket; connected: boolean } | undefined {
  const host = ip === "0.0.0.0" ? "127.0.0.1" : ip === "::" ? "::1" : ip;
  try {
    // Bound sockets connect at once instead of in the next tick.
    const bound = new BoundSocket({ host, port: 0 });
    probes.add(bound.address().port);
    const socket = new Socket({ handle: bound });
    socket.on("error", () => {});
    socket.connect(port, host);
    return { socket, connected: handleOf(socket)?.getpeername?.({}) === 0 };
  } catch {
    return undefined;
  }
}

function handleOf(owner: Server | Socket): Handle | undefined {
  return (owner as unknown as { readonly _handle?: Handle })._handle;
}
