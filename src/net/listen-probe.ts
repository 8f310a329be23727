import { BoundSocket, Socket, type Server } from "node:net";

/** A connection of ours to a socket of ours, to find out about its queue. */
export interface Probe {
  readonly socket: Socket;
  /** Its local port. */
  readonly source: number;
  /** Whether the queue had room for it. */
  readonly connected: boolean;
}

/** What `Server` and `Socket` keep inside; documented nowhere, so nothing here relies on its being there. */
interface Handle {
  listen?(backlog: number): number;
  getpeername?(out: object): number;
}

/** How long probes may take to be accepted in this thread, in milliseconds. */
const ACCEPT_TIME = 50;

/** Local ports of the probes that are open. */
const sources = new Set<number>();

/** How many are probing in this thread. */
let probing = 0;

/** Whether an accepted connection is a probe of this thread, to be destroyed unseen. */
export function isProbe(socket: Socket): boolean {
  if (probing === 0) return false;
  const { remotePort } = socket;
  // Without a port it is gone already.
  return remotePort === undefined || sources.has(remotePort);
}

/** To be called before the first probe; the result when none can be on its way any more. */
export function beginProbing(): () => void {
  probing++;
  return () => void probing--;
}

/** Local ports of the probes of this thread. */
export function probeSources(): ReadonlySet<number> {
  return sources;
}

/** Resets what connected, which leaves the ports free for the next time, or for a client. */
export function endProbes(probes: Iterable<Probe>): void {
  for (const { socket, connected } of probes) {
    // A reset waits for the event that says that it connected.
    if (connected) socket.resetAndDestroy();
    else socket.destroy();
  }
}

/** Connects within this call if the queue that the system chooses has room. Undefined if the system refuses. */
export function probe(ip: string, port: number, source = 0): Probe | undefined {
  try {
    // Bound sockets connect at once instead of in the next tick.
    const bound = new BoundSocket({ host: ip, port: source });
    const local = bound.address().port;
    sources.add(local);
    const socket = new Socket({ handle: bound });
    socket.on("error", () => {});
    socket.on("close", () => sources.delete(local));
    socket.connect(port, ip);
    return { socket, source: local, connected: handleOf(socket)?.getpeername?.({}) === 0 };
  } catch {
    return undefined;
  }
}

/** Changes how many connections may wait on a listening socket, if Node lets us. */
export function setBacklog(server: Server, backlog: number): void {
  handleOf(server)?.listen?.(backlog);
}

/** Sends so many probes and tells which source ports the system led to which of these servers. */
export async function findSources(
  servers: readonly Server[],
  ip: string,
  port: number,
  count: number,
): Promise<ReadonlyMap<Server, readonly number[]>> {
  const found = new Map<Server, number[]>(servers.map((server) => [server, []]));
  const sent = new Map<number, Probe>();
  const listeners = servers.map((server) => {
    const listener = ({ remotePort }: Socket): void => {
      if (remotePort !== undefined && sent.has(remotePort)) found.get(server)!.push(remotePort);
    };
    server.prependListener("connection", listener);
    return listener;
  });
  for (let i = 0; i < count; i++) {
    const each = probe(ip, port);
    if (each !== undefined) sent.set(each.source, each);
  }
  await new Promise<void>((resolve) => setTimeout(resolve, ACCEPT_TIME));
  for (const [i, server] of servers.entries()) server.off("connection", listeners[i]!);
  endProbes(sent.values());
  return found;
}

function handleOf(owner: Server | Socket): Handle | undefined {
  return (owner as unknown as { readonly _handle?: Handle })._handle;
}
