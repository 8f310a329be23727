import { createServer, type Server, type Socket } from "node:net";
import { makeTransparent } from "../../net/original-destination.ts";
import { closeListening } from "../../net/close-listening.ts";
import { isProbe } from "../../net/listen-probe.ts";
import type { BindAddress, HandedSocket } from "../link.ts";

export interface ListenSocketsOptions {
  readonly workerIndex: number;
  readonly bufferLimit: number;
  /** 0 = the system's default. */
  readonly backlog: number;
  /** Takes connections to addresses that are not this machine's (IP_TRANSPARENT, for TPROXY). */
  readonly transparent: boolean;
}

const DEFAULT_BACKLOG = 4096;
/**
 * The event loop accepts one connection per socket and round, and a round under load is long: five hundred clients that
 * come at once behind five hundred that are busy would wait for seconds.
 */
const SOCKETS_PER_ADDRESS = 8;

/**
 * The listening sockets of one listener in one worker. They must not be closed while clients connect: a reuse_port
 * socket takes its queue of connections with it. So they go from one version of a listener to the next, and from
 * worker to worker.
 */
export class ListenSockets {
  readonly #options: ListenSocketsOptions;
  readonly #onConnection: (socket: Socket, path: string) => void;
  readonly #takenFrom = new WeakMap<Server, ListenSockets>();
  #entries: HandedSocket[] = [];

  /** @param onConnection takes an accepted socket and, if it came by a pipe, the pipe's path */
  constructor(options: ListenSocketsOptions, onConnection: (socket: Socket, path: string) => void) {
    this.#options = options;
    this.#onConnection = onConnection;
  }

  /** Addresses that it accepts on, as the system gave them. */
  addresses(): BindAddress[] {
    const found = new Map<string, BindAddress>();
    for (const { server } of this.#entries) {
      const address = server.address();
      if (address === null || typeof address === "string")
        found.set(address ?? "", { ip: "", port: 0, path: address ?? "" });
      else
        found.set(`${address.address}|${address.port}`, {
          ip: address.address,
          port: address.port,
          path: "",
        });
    }
    return [...found.values()];
  }

  /** Begins to accept on all addresses that it has no socket for; rejects with the first error, those closed. */
  async listen(bind: readonly BindAddress[]): Promise<void> {
    const before = [...this.#entries];
    try {
      for (const address of bind) {
        // A socket by path cannot be shared: the first worker has it.
        if (address.path !== "" && this.#options.workerIndex > 0) continue;
        if (this.#entries.some((entry) => isSame(entry.bind, address))) continue;
        await this.#open(address);
        if (address.path === "" && address.port !== 0) await this.#openMore(address);
      }
    } catch (error) {
      for (const { server } of this.#entries)
        if (!before.some((entry) => entry.server === server)) server.close();
      this.#entries = before;
      throw error;
    }
  }

  /** Takes over the sockets of another version or listener on these addresses. */
  takeFrom(other: ListenSockets, addresses: readonly BindAddress[]): void {
    for (const server of this.adopt(other.release(addresses))) this.#takenFrom.set(server, other);
  }

  /** Takes back what the other took from here. */
  takeBack(other: ListenSockets): void {
    this.adopt(other.#remove(({ server }) => other.#takenFrom.get(server) === this));
  }

  /** Accepts on sockets that already listen, of another version, worker or process. */
  adopt(sockets: readonly HandedSocket[]): Server[] {
    return sockets.map(({ bind, server }) => {
      server.removeAllListeners("connection");
      // Another server on the same handle has our options; those by path cannot be shared.
      const own = bind.path === "" ? this.#createServer().listen(server, this.#backlog) : server;
      this.#serve(bind, own);
      return own;
    });
  }

  /** Gives the sockets of these addresses to somebody who adopts them. */
  release(of: readonly BindAddress[]): HandedSocket[] {
    return this.#remove(({ bind }) => of.some((address) => isSame(address, bind)));
  }

  /** Gives the sockets that another thread can have. */
  releaseToThread(): HandedSocket[] {
    return this.#remove(({ bind }) => bind.path === "");
  }

  /** Stops accepting without losing a connection that stands; see `closeListening`. */
  async close(shared: boolean): Promise<void> {
    const byAddress = new Map<
      string,
      { readonly ip: string; readonly port: number; readonly servers: Server[] }
    >();
    for (const { bind, server } of this.#entries) {
      const address = server.address();
      if (address === null || typeof address === "string") {
        server.close();
        continue;
      }
      const key = `${bind.ip}|${address.port}`;
      const group = byAddress.get(key) ?? { ip: bind.ip, port: address.port, servers: [] };
      byAddress.set(key, group);
      group.servers.push(server);
    }
    await Promise.all(
      [...byAddress.values()].map(({ servers, ip, port }) => closeListening(servers, ip, port, shared)),
    );
    this.#entries = [];
  }

  /** Stops accepting; connections that wait to be accepted are lost. */
  closeNow(): void {
    for (const { server } of this.#entries.splice(0)) server.close();
  }

  #remove(wanted: (socket: HandedSocket) => boolean): HandedSocket[] {
    const removed = this.#entries.filter(wanted);
    this.#entries = this.#entries.filter((entry) => !removed.includes(entry));
    return removed;
  }

  #open(bind: BindAddress): Promise<void> {
    const server = this.#createServer();
    const target =
      bind.path === ""
        ? { host: bind.ip, port: bind.port, reusePort: true, exclusive: true }
        : { path: bind.path };
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...target, backlog: this.#backlog }, () => {
        server.off("error", reject);
        if (this.#options.transparent && bind.path === "" && !makeTransparent(server, bind.ip.includes(":")))
          reject(new Error("cannot set IP_TRANSPARENT: that needs CAP_NET_ADMIN"));
        else resolve();
      });
      this.#serve(bind, server);
    });
  }

  /** The others make accepting faster; without them, as where descriptors run out, the first does it alone. */
  async #openMore(bind: BindAddress): Promise<void> {
    for (let more = 1; more < SOCKETS_PER_ADDRESS; more++) {
      try {
        await this.#open(bind);
      } catch {
        this.#entries.pop()!.server.close();
        return;
      }
    }
  }

  #createServer(): Server {
    return createServer({
      allowHalfOpen: true,
      noDelay: true,
      highWaterMark: this.#options.bufferLimit,
    });
  }

  get #backlog(): number {
    return this.#options.backlog > 0 ? this.#options.backlog : DEFAULT_BACKLOG;
  }

  #serve(bind: BindAddress, server: Server): void {
    server.on("connection", (socket) => {
      if (isProbe(socket)) socket.destroy();
      else this.#onConnection(socket, bind.path);
    });
    // Accepting can fail later, e.g. out of descriptors: the next connection may succeed.
    server.on("error", () => {});
    this.#entries.push({ bind, server });
  }
}

/** Port 0 is another port each time. */
function isSame(a: BindAddress, b: BindAddress): boolean {
  if (a.path === "" && a.port === 0) return false;
  return a.ip === b.ip && a.port === b.port && a.path === b.path;
}
