import type { BindAddress } from "../link.ts";
import type { GenerationChannel, GenerationListener } from "./generation-channel.ts";
import type { ParkedSocket } from "./parked-socket.ts";

/** What a generation does for the one that takes over. */
export interface PredecessorHost {
  closeAdmin(): Promise<void>;
  openAdmin(): Promise<void>;
  /** Stops accepting on these addresses; open connections go on. */
  releaseSockets(addresses: readonly BindAddress[]): Promise<ParkedSocket[]>;
  /** Accepts again on a socket that was released. */
  takeBack(socket: ParkedSocket): void;
  /** Drains, closes what it still listens on, and exits. */
  retire(): void;
  close(): void;
  /** All counters that are not 0. */
  counters(): Promise<ReadonlyMap<string, number>>;
}

/** The part of the generation that is replaced: answers the one that takes over. */
export class Predecessor {
  readonly #findHost: () => PredecessorHost | undefined;
  readonly #channel: GenerationChannel;
  /** What the successor knows already. */
  readonly #told = new Map<string, number>();
  #asked = false;

  /** @param host undefined while this generation does not serve itself */
  constructor(host: () => PredecessorHost | undefined, channel: GenerationChannel) {
    this.#findHost = host;
    this.#channel = channel;
  }

  /** To be called with what the successor says. */
  readonly received: GenerationListener = (message, socket) => {
    const host = this.#findHost();
    if (host === undefined) return socket?.close();
    if (socket !== undefined) return host.takeBack(socket);
    switch (message.kind) {
      case "close-admin":
        void host.closeAdmin().then(() => this.#channel.post({ kind: "admin-closed" }));
        break;
      case "open-admin":
        void host.openAdmin();
        break;
      case "hand-over":
        void this.#handOver(host, message.addresses);
        break;
      case "retire":
        host.retire();
        break;
      case "ask-counters":
        this.#asked = true;
        void this.tellCounters(false);
        break;
      case "terminate":
        host.close();
        break;
      default:
        break;
    }
  };

  /** Tells what was counted since the last time, if the successor counts on. */
  async tellCounters(last: boolean): Promise<void> {
    const host = this.#findHost();
    if (!this.#asked || host === undefined) return;
    const values: Record<string, number> = {};
    for (const [name, value] of await host.counters()) {
      const delta = value - (this.#told.get(name) ?? 0);
      if (delta <= 0) continue;
      values[name] = delta;
      this.#told.set(name, value);
    }
    this.#channel.post({ kind: "counters", values, last });
  }

  async #handOver(host: PredecessorHost, addresses: readonly BindAddress[]): Promise<void> {
    for (const socket of await host.releaseSockets(addresses)) {
      const own = await this.#channel.postSocket?.(socket);
      (own ?? socket).close();
    }
    this.#channel.post({ kind: "handed-over" });
  }
}
