import { writeFileSync } from "node:fs";
import type { Server } from "node:net";
import type { Logger } from "../api.ts";
import type { ProxyOptions } from "../options.ts";
import type { GenerationChannel } from "./generation-channel.ts";
import { Predecessor, type PredecessorHost } from "./predecessor.ts";
import { Successor } from "./successor.ts";
import type { Supervised, SupervisedHost } from "./supervised.ts";
import { awaitSuccessor, connectPredecessor, generationPath } from "./unix-channel.ts";

/** Base ids to choose from with --use-dynamic-base-id. */
const DYNAMIC_IDS = 1 << 16;

/**
 * This process's place in a chain of generations: the one it takes over from, and those that will take over from it.
 * Under a supervisor listening sockets go from one to the next; generations that something else starts, as Envoy's
 * restarter does, find each other by base id and epoch.
 */
export class HotRestart {
  /** What this generation takes over from. */
  readonly successor: Successor | undefined;
  baseId: number;
  readonly #supervised: Supervised | undefined;
  readonly #options: ProxyOptions;
  readonly #predecessors: Predecessor[] = [];
  #server: Server | undefined;
  #host: PredecessorHost | undefined;

  private constructor(
    options: ProxyOptions,
    baseId: number,
    supervised: Supervised | undefined,
    successor: Successor | undefined,
  ) {
    this.#options = options;
    this.baseId = baseId;
    this.#supervised = supervised;
    this.successor = successor;
  }

  /** Finds the predecessor and waits for successors. Throws an Error if --restart-epoch asks for one that is not there. */
  static async join(
    options: ProxyOptions,
    supervised: Supervised | undefined,
    log: Logger,
  ): Promise<HotRestart> {
    const { restartEpoch, baseId, socketPath } = options;
    if (supervised !== undefined) {
      const successor = restartEpoch === 0 ? undefined : new Successor(supervised.channel);
      if (successor !== undefined) supervised.fromPredecessor = successor.received;
      const hotRestart = new HotRestart(options, baseId, supervised, successor);
      supervised.fromSuccessor = (...message) => hotRestart.#supervisedPredecessor().received(...message);
      return hotRestart;
    }
    if (options.disableHotRestart) return new HotRestart(options, baseId, undefined, undefined);
    let successor: Successor | undefined;
    if (restartEpoch > 0) {
      const path = generationPath(socketPath, baseId, restartEpoch - 1);
      const channel = await connectPredecessor(path, (...message) => successor?.received(...message));
      if (channel !== undefined) successor = new Successor(channel);
      else if (!options.skipHotRestartOnNoParent)
        throw new Error(
          `no proxy with --base-id ${baseId} --restart-epoch ${restartEpoch - 1} to take over from; start with --restart-epoch 0, or add --skip-hot-restart-on-no-parent`,
        );
    }
    const hotRestart = new HotRestart(options, baseId, undefined, successor);
    await hotRestart.#awaitSuccessors(log);
    return hotRestart;
  }

  /** To be called when the proxy can answer its successor. */
  serve(host: PredecessorHost & SupervisedHost): void {
    this.#host = host;
    if (this.#supervised !== undefined) this.#supervised.host = host;
  }

  /** We serve: the predecessor may go. */
  live(): void {
    this.#supervised?.live();
    if (this.#supervised !== undefined || this.successor === undefined) return;
    const { successor } = this;
    successor.retirePredecessor();
    setTimeout(() => successor.terminatePredecessor(), this.#options.parentShutdownTime).unref();
  }

  /** We cannot start: the predecessor goes on. */
  failed(reason: string): void {
    if (this.#supervised === undefined) this.successor?.giveUp();
    else this.#supervised.failed(reason);
  }

  /** Tells the successor the last counters; the end of this generation. */
  async leave(): Promise<void> {
    for (const predecessor of this.#predecessors) await predecessor.tellCounters(true);
    this.#server?.close();
    this.#supervised?.close();
  }

  /** A new successor counts anew. */
  #predecessor(channel: GenerationChannel): Predecessor {
    const predecessor = new Predecessor(() => this.#host, channel);
    this.#predecessors.push(predecessor);
    return predecessor;
  }

  #supervisedPredecessor(): Predecessor {
    return this.#predecessors[0] ?? this.#predecessor(this.#supervised!.channel);
  }

  async #awaitSuccessors(log: Logger): Promise<void> {
    const { restartEpoch, useDynamicBaseId, baseIdPath, socketPath, socketMode } = this.#options;
    if (useDynamicBaseId) this.baseId = Math.floor(Math.random() * DYNAMIC_IDS);
    const path = generationPath(socketPath, this.baseId, restartEpoch);
    try {
      this.#server = await awaitSuccessor(path, socketMode, (channel) => this.#predecessor(channel).received);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE" && useDynamicBaseId) return this.#awaitSuccessors(log);
      const why =
        code === "EADDRINUSE" ? `another proxy has base id ${this.baseId} (see --base-id)` : message;
      log.info(`this proxy cannot be replaced by hot restart: ${why}`);
    }
    if (baseIdPath !== "") writeFileSync(baseIdPath, String(this.baseId));
  }
}
