// Consul's and Nomad's way to wait for changes: a question with an index is answered when there is a newer one.
import { hash } from "node:crypto";
import type { Reading } from "../../model.ts";
import type { HttpClient } from "../../../base/http-client.ts";
import { HttpError, parseJson } from "../../../base/http-client.ts";
import { pause } from "./follow.ts";
import { Parts, type PartReading } from "./parts.ts";
import { Pulse } from "./pulse.ts";
import { Slots } from "./slots.ts";

/** How one product lists services and their instances. */
export interface BlockingProtocol {
  /** Header with the index, in lower case. */
  readonly indexHeader: string;
  /** Path and query of the list of services. */
  readonly listPath: string;
  /** Names of one product's services in the list, and where each is read. Throws an Error when the list makes no sense. */
  services(list: unknown): ReadonlyMap<string, string>;
  /** What the answer for one service says. Throws an Error when it makes no sense. */
  read(name: string, answer: unknown, confirmed: boolean): Promise<PartReading>;
  /** Connections at once: both products allow one client only so many. */
  readonly connections: number;
  readonly timeoutMs: number;
  readonly retryMs: number;
  /** What is known, for longer than one session. */
  readonly parts: Parts;
}

interface Answer {
  readonly value: unknown;
  /**
   * Whether it came by an index that only went up: what is missing was then taken away by somebody. Not after the first
   * question or when the index fell, as it does when the servers' state was restored or lost.
   */
  readonly confirmed: boolean;
}

const WAIT_SECONDS = 30;
/** With more services than connections, each is asked for about this often. */
const ROUND_SECONDS = 10;
/** Without changes there is still a reading this often, to say that the source is being read. */
const HEARTBEAT_MS = 10_000;
/** Changes within this time become one reading. */
const SETTLE_MS = 20;
/** A server that answers at once without anything new is asked no more often than this. */
const LEAST_PAUSE_MS = 100;

/** A session that watches all services, each by a question of its own. */
export async function* blockingServices(
  client: HttpClient,
  protocol: BlockingProtocol,
  signal: AbortSignal,
): AsyncGenerator<Reading> {
  const watch = new ServiceWatch(client, protocol, signal);
  yield* watch.readings();
}

class ServiceWatch {
  readonly #client: HttpClient;
  readonly #protocol: BlockingProtocol;
  readonly #signal: AbortSignal;
  readonly #parts: Parts;
  readonly #pulse = new Pulse();
  readonly #slots: Slots;
  readonly #running = new Map<string, { path: string; stop: AbortController }>();
  /** Services that are no longer listed, because somebody deregistered all of them. */
  readonly #deleted = new Set<string>();
  readonly #lastServices = new Map<string, PartReading>();
  /** Readings of services as text, to tell whether one changed. */
  readonly #texts = new Map<string, string>();
  #listError: unknown;
  #listed = false;

  constructor(client: HttpClient, protocol: BlockingProtocol, signal: AbortSignal) {
    this.#client = client;
    this.#protocol = protocol;
    this.#signal = signal;
    this.#parts = protocol.parts;
    this.#slots = new Slots(Math.max(1, protocol.connections - 1));
  }

  async *readings(): AsyncGenerator<Reading> {
    void this.#watchList();
    while (!this.#signal.aborted) {
      await this.#pulse.wait(this.#signal, HEARTBEAT_MS);
      await pause(SETTLE_MS, this.#signal);
      if (this.#signal.aborted) return;
      if (this.#listError !== undefined) throw this.#listError;
      const reading = this.#listed ? this.#parts.reading(new Set(this.#deleted)) : undefined;
      if (reading !== undefined) yield reading;
    }
  }

  async #watchList(): Promise<void> {
    const query = new BlockingQuery(this.#client, this.#protocol, this.#protocol.listPath);
    try {
      while (!this.#signal.aborted) {
        const { value, confirmed } = await query.next(WAIT_SECONDS, this.#signal);
        this.#take(this.#protocol.services(value), confirmed);
        this.#pulse.notify();
      }
    } catch (error) {
      this.#listError = error;
      this.#pulse.notify();
    }
  }

  #take(services: ReadonlyMap<string, string>, confirmed: boolean): void {
    this.#listed = true;
    for (const [name, { stop, path }] of this.#running) {
      if (services.get(name) === path) continue;
      stop.abort();
      this.#running.delete(name);
      if (confirmed)
        for (const service of this.#lastServices.get(name)?.keys() ?? []) this.#deleted.add(service);
      this.#lastServices.delete(name);
      this.#texts.delete(name);
    }
    this.#parts.expect(services.keys());
    for (const [name, path] of services) {
      if (this.#running.has(name)) continue;
      const stop = new AbortController();
      this.#running.set(name, { path, stop });
      void this.#watchService(name, path, AbortSignal.any([this.#signal, stop.signal]));
    }
  }

  async #watchService(name: string, path: string, signal: AbortSignal): Promise<void> {
    const query = new BlockingQuery(this.#client, this.#protocol, path);
    let failures = 0;
    while (!signal.aborted) {
      try {
        const { value, confirmed } = await this.#slots.use(() => query.next(this.#waitSeconds(), signal));
        const reading = await this.#protocol.read(name, value, confirmed);
        if (signal.aborted) return;
        failures = 0;
        this.#took(name, reading, confirmed);
      } catch (error) {
        if (signal.aborted) return;
        this.#parts.fail(name, error);
        this.#texts.delete(name);
        this.#pulse.notify();
        await pause(Math.min(5000, this.#protocol.retryMs * 2 ** Math.min(failures++, 6)), signal);
      }
    }
  }

  #took(name: string, reading: PartReading, confirmed: boolean): void {
    this.#parts.set(name, reading);
    for (const service of this.#lastServices.get(name)?.keys() ?? [])
      if (confirmed && !reading.has(service)) this.#deleted.add(service);
    for (const service of reading.keys()) this.#deleted.delete(service);
    this.#lastServices.set(name, reading);
    const text = JSON.stringify([...reading]);
    if (text === this.#texts.get(name)) return;
    this.#texts.set(name, text);
    this.#pulse.notify();
  }

  #waitSeconds(): number {
    const { connections } = this.#protocol;
    const count = this.#running.size;
    return count < connections ? WAIT_SECONDS : Math.max(1, (ROUND_SECONDS * connections) / count);
  }
}

/** One question that is asked again and again, by Consul's rules for the index. */
class BlockingQuery {
  readonly #client: HttpClient;
  readonly #protocol: BlockingProtocol;
  readonly #path: string;
  #index = 0;
  #confirmed = false;
  #digest = "";

  constructor(client: HttpClient, protocol: BlockingProtocol, path: string) {
    this.#client = client;
    this.#protocol = protocol;
    this.#path = path;
  }

  async next(waitSeconds: number, signal: AbortSignal): Promise<Answer> {
    const { indexHeader, timeoutMs } = this.#protocol;
    const wait = Math.ceil(waitSeconds * 1000);
    const path = `${this.#path}${this.#path.includes("?") ? "&" : "?"}index=${this.#index}&wait=${wait}ms`;
    const begun = performance.now();
    // The servers add up to a sixteenth to the wait, so that not all clients come back at once.
    const reply = await this.#client.call(path, {
      signal,
      timeoutMs: (this.#index === 0 ? 0 : wait * 1.07) + timeoutMs,
      headers: { accept: "application/json" },
    });
    const value = parseJson(this.#path, reply);
    const index = Number(reply.headers[indexHeader]);
    if (!(index >= 1)) throw new HttpError(reply.status, `no index in ${indexHeader}`);
    const digest = hash("sha1", reply.body);
    if (index < this.#index || this.#index === 0) this.#confirmed = false;
    else if (index > this.#index) this.#confirmed = true;
    // What differs although the index says that nothing changed is not to be trusted.
    else if (digest !== this.#digest) this.#confirmed = false;
    this.#digest = digest;
    if (index === this.#index) await pause(LEAST_PAUSE_MS - (performance.now() - begun), signal);
    this.#index = index < this.#index ? 0 : index;
    return { value, confirmed: this.#confirmed };
  }
}
