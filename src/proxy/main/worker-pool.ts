import { Worker } from "node:worker_threads";
import type { Clock } from "../../base/clock.ts";
import type { MergedStats } from "../../stats/merged-stats.ts";
import { ParkedSocket } from "../hot-restart/parked-socket.ts";
import { takeBack } from "../upstream/shared-counts.ts";
import {
  transferOf,
  type BindAddress,
  type Closing,
  type FromWorker,
  type ToWorker,
  type WorkerInit,
} from "../link.ts";
import type { ProcessLog } from "./process-log.ts";
import { ReplayLog } from "./replay-log.ts";

/** Waiting times before a crashed worker is replaced, in milliseconds: doubling, back to the first after a quiet minute. */
const RESTART_MIN = 100;
const RESTART_MAX = 10_000;
const QUIET = 60_000;
/** How long a reader of stats waits for workers that are busy, in milliseconds. */
const STATS_TIMEOUT = 50;
/** How long workers may take to give their sockets away, in milliseconds. */
const RELEASE_TIMEOUT = 5000;
/** How long workers may take to stop listening, in milliseconds. */
const STOP_LISTENING_TIMEOUT = 8000;
/** How long workers may take to flush and exit, in milliseconds. */
const EXIT_TIMEOUT = 2000;

export interface WorkerPoolOptions {
  readonly url: URL;
  readonly init: Omit<WorkerInit, "index">;
  readonly stats: MergedStats;
  readonly log: ProcessLog;
  readonly clock: Clock;
  /** What a worker says, apart from stats, logs and readiness. */
  onMessage(worker: number, message: FromWorker): void;
  /** A worker died and will be replaced; `detail` says why it died. */
  onCrash(worker: number, detail: string): void;
}

interface Slot {
  readonly index: number;
  worker: Worker | undefined;
  generation: number;
  ready: boolean;
  /** Sockets of a crashed worker, for the next one. */
  readonly orphans: ParkedSocket[];
  backoff: number;
  startedAt: number;
}

/** The workers: starts them, replaces crashed ones and tells new ones what the others were told. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #slots: Slot[] = [];
  readonly #replay = new ReplayLog();
  readonly #allReady = Promise.withResolvers<void>();
  /** Questions by id, with the workers that have not answered. */
  readonly #asked = new Map<number, { readonly waiting: Set<number>; readonly done: () => void }>();
  readonly #released: ParkedSocket[] = [];
  #adopted = 0;
  #lastId = 0;
  #stopping = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    // Who starts the proxy looks at it later.
    this.#allReady.promise.catch(() => undefined);
    for (let index = 0; index < options.init.concurrency; index++) {
      const slot = {
        index,
        worker: undefined,
        generation: 0,
        ready: false,
        orphans: [],
        backoff: RESTART_MIN,
        startedAt: 0,
      };
      this.#slots.push(slot);
      this.#spawn(slot);
    }
  }

  get size(): number {
    return this.#slots.length;
  }

  /** Resolves when every worker was ready once; rejects if one dies before that. */
  get ready(): Promise<void> {
    return this.#allReady.promise;
  }

  /** Tells all workers, and those that come later. */
  broadcast(message: ToWorker): void {
    this.#replay.record(message);
    this.#send(message);
  }

  /** Tells all workers of a listener, and hands those that listen already their share of its sockets. */
  broadcastListener(message: Extract<ToWorker, { kind: "listener" }>, parked: readonly ParkedSocket[]): void {
    this.#replay.record(message);
    const ready = this.#ready();
    for (const [i, { worker }] of ready.entries()) {
      const sockets = parked.filter((_, k) => k % ready.length === i).map((socket) => socket.unpark());
      const handed: ToWorker = { ...message, sockets };
      worker!.postMessage(handed, transferOf(handed));
    }
  }

  /** Takes the sockets of these addresses from the workers; clients queue until somebody accepts on them. */
  async releaseSockets(addresses: readonly BindAddress[]): Promise<ParkedSocket[]> {
    await this.#ask(RELEASE_TIMEOUT, (id) => this.#send({ kind: "release-sockets", id, addresses }));
    return this.#released.splice(0);
  }

  /** Lets a worker accept on a socket that was released. */
  adopt(socket: ParkedSocket): void {
    const ready = this.#ready();
    const target = ready[this.#adopted++ % ready.length];
    if (target === undefined) return socket.close();
    const message: ToWorker = { kind: "adopt-sockets", sockets: [socket.unpark()] };
    target.worker!.postMessage(message, transferOf(message));
  }

  /** Tells all workers that route configurations of this name are not needed any longer. */
  forgetRoutes(name: string): void {
    this.broadcast({ kind: "routes", name, bytes: undefined });
    this.#replay.forgetRoutes(name);
  }

  /**
   * Resolves when all names of stats that workers use have come, and what they did before is counted; at the latest
   * after 50 ms.
   */
  flushStats(): Promise<void> {
    return this.#ask(STATS_TIMEOUT, (id) => this.#send({ kind: "flush-stats", id }));
  }

  /** Lets all workers stop listening, on inbound listeners or all; resolves when they have. */
  stopListening(how: { inboundOnly: boolean; closeIdle: boolean; shared: boolean }): Promise<void> {
    return this.#ask(STOP_LISTENING_TIMEOUT, (id) =>
      this.broadcast({ kind: "stop-listening", id, ...how, closing: this.closing() }),
    );
  }

  /** Who closes the sockets of listeners that go. */
  closing(): Closing | undefined {
    const [first, ...others] = this.#ready();
    return first && { id: ++this.#lastId, worker: first.index, others: others.length };
  }

  /** Lets workers flush and exit; ends those that do not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const exits = this.#slots.flatMap(({ worker }) => {
      if (worker === undefined) return [];
      worker.postMessage({ kind: "exit" } satisfies ToWorker);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(() => void worker.terminate(), EXIT_TIMEOUT);
      worker.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
      return [promise];
    });
    await Promise.all(exits);
  }

  #spawn(slot: Slot): void {
    const { url, init, clock } = this.#options;
    const thread = `worker_${slot.index}#${++slot.generation}`;
    slot.startedAt = clock.now();
    const own = {
      breakers: new SharedArrayBuffer(init.breakers.byteLength),
      hostStates: new SharedArrayBuffer(init.hostStates.byteLength),
    };
    const workerData: WorkerInit = { ...init, index: slot.index, own };
    const worker = new Worker(url, { workerData, name: `worker_${slot.index}` });
    slot.worker = worker;
    let reason = "";
    worker.on("message", (message: FromWorker) => this.#onMessage(slot, thread, message));
    worker.on(
      "error",
      (error) => (reason = error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
    worker.on("exit", (code) => {
      // Nobody counts on after an orderly end.
      if (!this.#stopping) {
        takeBack(init.breakers, own.breakers);
        takeBack(init.hostStates, own.hostStates);
      }
      this.#onExit(slot, thread, reason === "" ? `it exited with code ${code}` : reason);
    });
  }

  #onMessage(slot: Slot, thread: string, message: FromWorker): void {
    if (message.kind === "stats") this.#options.stats.update(thread, message.update);
    else if (message.kind === "log") {
      this.#options.log.fromWorker(message.level, message.component, message.message);
    } else if (message.kind === "stats-flushed" || message.kind === "stopped-listening")
      this.#answered(message.id, slot.index);
    else if (message.kind === "sockets") this.#handOver(message);
    else if (message.kind === "orphaned") {
      slot.orphans.push(...message.sockets.map((socket) => new ParkedSocket(socket)));
    } else if (message.kind === "released") {
      // Parked at once: what listens in this thread would be accepted here.
      const parked = message.sockets.map((socket) => new ParkedSocket(socket));
      // Too late for whoever asked: this process goes on accepting.
      if (!this.#asked.has(message.id)) return parked.forEach((socket) => this.adopt(socket));
      this.#released.push(...parked);
      this.#answered(message.id, slot.index);
    } else if (message.kind === "ready") {
      slot.ready = true;
      const sockets = slot.orphans.splice(0).map((socket) => socket.unpark());
      if (sockets.length > 0) {
        const adopt: ToWorker = { kind: "adopt-sockets", sockets };
        slot.worker!.postMessage(adopt, transferOf(adopt));
      }
      for (const each of this.#replay.messages()) slot.worker!.postMessage(each);
      if (this.#slots.every(({ ready, generation }) => ready || generation > 1)) this.#allReady.resolve();
    } else this.#options.onMessage(slot.index, message);
  }

  #ready(): Slot[] {
    return this.#slots.filter(({ ready }) => ready);
  }

  #send(message: ToWorker): void {
    for (const { worker } of this.#ready()) worker!.postMessage(message);
  }

  #ask(timeout: number, send: (id: number) => void): Promise<void> {
    const ready = this.#ready();
    if (ready.length === 0 || this.#stopping) return Promise.resolve();
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#asked.delete(id);
        resolve();
      };
      const cancel = this.#options.clock.after(timeout, done);
      this.#asked.set(id, { waiting: new Set(ready.map(({ index }) => index)), done });
      send(id);
    });
  }

  #answered(id: number, worker: number): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    asked.waiting.delete(worker);
    if (asked.waiting.size === 0) asked.done();
  }

  /** At once: what listens in this thread would be accepted here. */
  #handOver(message: Extract<FromWorker, { kind: "sockets" }>): void {
    const { to, closing, listener, sockets } = message;
    const target = this.#slots[to];
    if (!target?.ready) return sockets.forEach(({ server }) => server.close());
    const handed: ToWorker = { kind: "sockets", closing, listener, sockets };
    target.worker!.postMessage(handed, transferOf(handed));
  }

  #onExit(slot: Slot, thread: string, reason: string): void {
    const wasReady = slot.ready;
    slot.worker = undefined;
    slot.ready = false;
    this.#options.stats.retire(thread);
    for (const id of this.#asked.keys()) this.#answered(id, slot.index);
    if (this.#stopping) return;
    const { clock, log } = this.#options;
    if (!wasReady && slot.generation === 1) {
      this.#allReady.reject(new Error(`worker ${slot.index} cannot start: ${reason}`));
    }
    if (clock.now() - slot.startedAt > QUIET) slot.backoff = RESTART_MIN;
    log.critical("main", `worker ${slot.index} crashed, replacing it in ${slot.backoff} ms: ${reason}`);
    this.#options.onCrash(slot.index, reason);
    // Clients may wait for the next worker of this place, but not for long.
    if (slot.backoff > RESTART_MIN && this.#ready().length > 0)
      for (const socket of slot.orphans.splice(0)) this.adopt(socket);
    clock.after(slot.backoff, () => {
      if (!this.#stopping) this.#spawn(slot);
    });
    slot.backoff = Math.min(RESTART_MAX, slot.backoff * 2);
  }
}
