import type { Server } from "node:net";
import {
  beginProbing,
  endProbes,
  findSources,
  probe,
  probeSources,
  setBacklog,
  type Probe,
} from "./listen-probe.ts";
import { hasWaitingConnections } from "./waiting-connections.ts";

/** How long it is tried to fill the queues while clients connect, in milliseconds. */
const TIME_LIMIT = 4000;
/** How often it is tried before queues are kept short in between, which lets clients wait. */
const FRIENDLY_TRIES = 20;
/** Between two tries, in milliseconds: what is in the queues is accepted. */
const PAUSE = 1;
/**
 * The same where somebody waits. If his handshake met a full queue, he is heard of again when he sends something, or
 * sends it again, after 200 ms.
 */
const LONG_PAUSE = 70;
/** How long the tables of the system's connections may be read for all of this, in milliseconds. */
const LOOKING_LIMIT = 500;
/**
 * The shortest queue that is used. Where handshakes of as many are under way, the system answers by SYN cookie, and
 * knows no more than the client that somebody comes; so it is not 0.
 */
const SHORT_BACKLOG = 1;
/** What such a queue holds. */
const SLOTS = SHORT_BACKLOG + 1;
/** Probes for each slot: the system chooses the queue. */
const PROBES_PER_SLOT = 4;
/** What a socket that is to go on for a moment is given back. */
const BACKLOG = 4096;

/**
 * Closes all sockets that listen on one address, without a reset for anybody who has connected. The system resets the
 * connections that wait to be accepted when a socket closes, and those whose handshake is under way; one can come at any
 * moment. So the queues are first made short and filled with connections of our own, all in one turn: when they are full
 * of those, nobody can come (a SYN that comes is dropped, and answered when the client sends it again), and the system's
 * tables tell whether somebody had come before. If so, the next turn accepts him, and it is tried again; after four
 * seconds the sockets are closed as they are.
 * @param servers listening in this thread; their "connection" listeners use `isProbe`
 * @param shared whether somebody else listens on the address, too; otherwise nobody may
 */
export async function closeListening(
  servers: readonly Server[],
  ip: string,
  port: number,
  shared = false,
): Promise<void> {
  const deadline = performance.now() + TIME_LIMIT;
  const endProbing = beginProbing();
  const address = { ip: ip === "0.0.0.0" ? "127.0.0.1" : ip === "::" ? "::1" : ip, port };
  const looking = { left: LOOKING_LIMIT };
  let sources = shared ? await learnSources(servers, address, deadline) : undefined;
  for (let tries = 1; performance.now() < deadline; tries++) {
    for (const server of servers) setBacklog(server, SHORT_BACKLOG);
    const { filling, outcome } =
      sources === undefined ? fillAny(servers, address) : fillFrom(servers, sources, address);
    const full = outcome === "full";
    const closed = full && nobodyWaits(port, looking);
    if (closed) for (const server of servers) server.close();
    endProbes(filling);
    if (closed) break;
    if (tries < FRIENDLY_TRIES || outcome === "moved")
      for (const server of servers) setBacklog(server, BACKLOG);
    await new Promise<void>((resolve) => setTimeout(resolve, full ? LONG_PAUSE : PAUSE));
    if (outcome === "moved") sources = await learnSources(servers, address, deadline);
  }
  for (const server of servers) if (server.listening) server.close();
  endProbing();
}

interface Address {
  readonly ip: string;
  readonly port: number;
}

interface Filled {
  readonly filling: readonly Probe[];
  readonly outcome: "full" | "again" | "moved";
}

/** Where all queues are ours, any connection fills one of them. */
function fillAny(servers: readonly Server[], address: Address): Filled {
  const filling: Probe[] = [];
  const slots = SLOTS * servers.length;
  let full = 0;
  for (let left = PROBES_PER_SLOT * slots; left > 0 && full < slots; left--) {
    const each = probe(address.ip, address.port);
    if (each === undefined) break;
    filling.push(each);
    if (each.connected) full++;
  }
  return { filling, outcome: full === slots ? "full" : "again" };
}

/**
 * Where others listen, too, the system chooses the queue by a hash of both ends, so the same source reaches the same
 * queue again. The first sources of each queue fill it; one more that gets no room proves that it is full.
 */
function fillFrom(
  servers: readonly Server[],
  sources: ReadonlyMap<Server, number[]>,
  address: Address,
): Filled {
  const filling: Probe[] = [];
  for (const server of servers) {
    for (const [slot, source] of sources.get(server)!.entries()) {
      const each = probe(address.ip, address.port, source);
      if (each !== undefined) filling.push(each);
      if (slot < SLOTS && each?.connected !== true) return { filling, outcome: "again" };
      if (slot === SLOTS && each?.connected !== false) return { filling, outcome: "moved" };
    }
  }
  return { filling, outcome: "full" };
}

/** Whether nobody is seen to wait; also when there is no time left to look. */
function nobodyWaits(port: number, looking: { left: number }): boolean {
  if (looking.left <= 0) return true;
  const from = performance.now();
  const waits = hasWaitingConnections(port, probeSources());
  looking.left -= performance.now() - from;
  return !waits;
}

/** Finds source ports for each server, one more than its queue has slots; undefined if that takes too long. */
async function learnSources(
  servers: readonly Server[],
  { ip, port }: Address,
  deadline: number,
): Promise<ReadonlyMap<Server, number[]> | undefined> {
  const sources = new Map<Server, number[]>(servers.map((server) => [server, []]));
  const missing = (): boolean => [...sources.values()].some((each) => each.length <= SLOTS);
  while (missing() && performance.now() < deadline) {
    const found = await findSources(servers, ip, port, PROBES_PER_SLOT * SLOTS * servers.length);
    for (const [server, ports] of found) {
      const known = sources.get(server)!;
      known.push(...ports.slice(0, SLOTS + 1 - known.length));
    }
  }
  return missing() ? undefined : sources;
}
