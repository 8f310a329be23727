import { createWriteStream, type WriteStream } from "node:fs";
import { endpointAddress, sameEndpoints, type Catalog, type SourcedEndpoint } from "./model.ts";
import type { SourceLog } from "./catalog/source.ts";

/** Something that happened to what proxies are told. */
export interface AuditEvent {
  /** 1, 2, 3, … since the start of this control plane. */
  readonly index: number;
  /** RFC 3339. */
  readonly time: string;
  readonly kind: "info" | "warning" | "service" | "endpoint";
  readonly text: string;
  /** With "service" and "endpoint". */
  readonly service?: string;
  readonly endpoint?: string;
  readonly source?: string;
}

export interface AuditOptions {
  /** Events are appended here, one JSON object a line. */
  readonly file?: string | undefined;
  /** How many are kept in memory. */
  readonly keep?: number;
  readonly onError?: (error: Error) => void;
}

const KEEP = 10_000;

/** Every change of what proxies are told, and every line of the log that says why. */
export class AuditLog {
  readonly #keep: number;
  readonly #file: WriteStream | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #known = new Map<string, readonly SourcedEndpoint[]>();
  #events: AuditEvent[] = [];
  #last = 0;

  constructor({ file, keep = KEEP, onError = () => {} }: AuditOptions = {}) {
    this.#keep = keep;
    this.#file = file === undefined ? undefined : createWriteStream(file, { flags: "a" });
    this.#file?.on("error", onError);
  }

  /** A log that is written here, too. */
  over(log: SourceLog): SourceLog {
    return {
      info: (message) => {
        this.#record({ kind: "info", text: message });
        log.info(message);
      },
      warn: (message) => {
        this.#record({ kind: "warning", text: message });
        log.warn(message);
      },
    };
  }

  /** Compares services with what they were when they were last told of. */
  services(names: Iterable<string>, catalog: Catalog): void {
    for (const service of names) {
      const before = this.#known.get(service);
      const after = catalog.get(service);
      if (after === undefined) {
        this.#known.delete(service);
        if (before !== undefined) this.#record({ kind: "service", service, text: `${service} is gone` });
        continue;
      }
      this.#known.set(service, after);
      if (before === undefined)
        this.#record({
          kind: "service",
          service,
          text: `${service} is there, with ${after.length} endpoints`,
        });
      else this.#compare(service, before, after);
    }
  }

  /** Events after an index, oldest first: waits for one while there is none, until the signal ends it. */
  async next(after: number, signal: AbortSignal): Promise<readonly AuditEvent[]> {
    while (this.#last <= after && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const aborted = () => resolve();
      signal.addEventListener("abort", aborted);
      await promise;
      signal.removeEventListener("abort", aborted);
      this.#waiting.delete(resolve);
    }
    const first = this.#events[0]?.index ?? 0;
    return this.#events.slice(Math.max(0, after + 1 - first));
  }

  async close(): Promise<void> {
    for (const wake of this.#waiting) wake();
    if (this.#file === undefined || this.#file.destroyed) return;
    await new Promise<void>((resolve) => this.#file!.end(() => resolve()));
  }

  #compare(service: string, before: readonly SourcedEndpoint[], after: readonly SourcedEndpoint[]): void {
    const old = new Map(before.map((each) => [endpointAddress(each), each]));
    for (const each of after) {
      const endpoint = endpointAddress(each);
      const known = old.get(endpoint);
      old.delete(endpoint);
      const { source, health, weight } = each;
      const now = `${health}, weight ${weight}`;
      if (known === undefined)
        this.#record({
          kind: "endpoint",
          service,
          endpoint,
          source,
          text: `${endpoint} joins ${service} (${now})`,
        });
      else if (!sameEndpoints([known], [each]) || known.source !== source)
        this.#record({
          kind: "endpoint",
          service,
          endpoint,
          source,
          text: `${endpoint} of ${service} changes (${now})`,
        });
    }
    for (const [endpoint, { source }] of old)
      this.#record({ kind: "endpoint", service, endpoint, source, text: `${endpoint} leaves ${service}` });
  }

  #record(what: Omit<AuditEvent, "index" | "time">): void {
    const event: AuditEvent = { index: ++this.#last, time: new Date().toISOString(), ...what };
    this.#events.push(event);
    if (this.#events.length > this.#keep * 1.5) this.#events = this.#events.slice(-this.#keep);
    this.#file?.write(`${JSON.stringify(event)}\n`);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
