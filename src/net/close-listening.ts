import type { Server } from "node:net";
import { findSources, forgetProbes, probe, setBacklog, type Probe } from "./listen-probe.ts";

/** How long it is tried to fill the queues while clients connect, in milliseconds. */
const TIME_LIMIT = 4000;
/** How often it is tried before queues are kept short in between, which lets clients wait. */
const FRIENDLY_TRIES = 20;
/** Probes for each queue before the next turn takes what is in them. */
const PROBES_PER_QUEUE = 8;
/** What a socket that is to go on for a moment is given back. */
const BACKLOG = 4096;

/**
 * Closes all sockets that listen on one address, without a reset for anybody who has connected. The system resets the
 * connections that wait to be accepted when a socket closes, and one can come at any moment. So the queues are first
 * made as short as can be and filled with connections of our own, all in one turn: when they are full of those, nobody
 * else waits, and nobody can come (a SYN that comes is dropped, and answered when the client sends it again). If
 * somebody was faster, the next turn accepts him, and it is tried again; after four seconds the sockets are closed as
 * they are.
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
  const address = { ip: ip === "0.0.0.0" ? "127.0.0.1" : ip === "::" ? "::1" : ip, port };
  let sources = shared ? await learnSources(servers, address, deadline) : undefined;
  for (let tries = 1; performance.now() < deadline; tries++) {
    const outcome = sources === undefined ? fillAny(servers, address) : fillFrom(servers, sources, address);
    if (outcome === "closed") break;
    if (tries < FRIENDLY_TRIES || outcome === "moved")
      for (const server of servers) setBacklog(server, BACKLOG);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (outcome === "moved") sources = await learnSources(servers, address, deadline);
  }
  for (const server of servers) if (server.listening) server.close();
  forgetProbes();
}

interface Address {
  readonly ip: string;
  readonly port: number;
}

type Outcome = "closed" | "again" | "moved";

/** Where all queues are ours, any connection fills one of them. */
function fillAny(servers: readonly Server[], address: Address): Outcome {
  // The shortest queue holds one connection.
  for (const server of servers) setBacklog(server, 0);
  const filling: Probe[] = [];
  let full = 0;
  for (let left = PROBES_PER_QUEUE * (servers.length + 1); left > 0 && full < servers.length; left--) {
    const each = probe(address.ip, address.port);
    if (each === undefined) break;
    filling.push(each);
    if (each.connected) full++;
  }
  return finish(servers, filling, full === servers.length ? "closed" : "again");
}

/**
 * Where others listen, too, the system chooses the queue by a hash of both ends, so the same source reaches the same
 * queue again. A first source of each queue fills it; a second one that gets no room proves that it is full.
 */
function fillFrom(
  servers: readonly Server[],
  sources: ReadonlyMap<Server, number[]>,
  address: Address,
): Outcome {
  for (const server of servers) setBacklog(server, 0);
  const filling: Probe[] = [];
  let outcome: Outcome = "closed";
  for (const server of servers) {
    const [first, second] = sources.get(server)!.map((source) => probe(address.ip, address.port, source));
    filling.push(...[first, second].filter((each) => each !== undefined));
    if (first?.connected !== true) outcome = "again";
    else if (second?.connected !== false) outcome = "moved";
    if (outcome !== "closed") break;
  }
  return finish(servers, filling, outcome);
}

function finish(servers: readonly Server[], filling: readonly Probe[], outcome: Outcome): Outcome {
  if (outcome === "closed") for (const server of servers) server.close();
  for (const { socket } of filling) socket.resetAndDestroy();
  return outcome;
}

/** Finds two source ports for each server; undefined if that takes too long. */
async function learnSources(
  servers: readonly Server[],
  { ip, port }: Address,
  deadline: number,
): Promise<ReadonlyMap<Server, number[]> | undefined> {
  const sources = new Map<Server, number[]>(servers.map((server) => [server, []]));
  const missing = (): boolean => [...sources.values()].some((each) => each.length < 2);
  while (missing() && performance.now() < deadline) {
    const found = await findSources(servers, ip, port, PROBES_PER_QUEUE * servers.length);
    for (const [server, ports] of found) {
      const known = sources.get(server)!;
      known.push(...ports.slice(0, 2 - known.length));
    }
  }
  return missing() ? undefined : sources;
}
