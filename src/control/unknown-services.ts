import type { Clock } from "../base/clock.ts";
import type { SourceLog } from "./catalog/source.ts";
import type { Catalog } from "./model.ts";
import type { MeshPolicy } from "./policy/mesh-policy.ts";

/** How long a service may be unknown before it is told, in milliseconds: in a mesh that starts, instances are on their way. */
const GRACE = 10_000;

/** Tells of routes to services that no source knows. They are answered 503: more often a typing error than meant. */
export class UnknownServices {
  readonly #clock: Clock;
  readonly #log: SourceLog;
  /** What cancels the telling, by service. */
  readonly #pending = new Map<string, () => void>();

  constructor(clock: Clock, log: SourceLog) {
    this.#clock = clock;
    this.#log = log;
  }

  /** To be called when routes or services changed. */
  look(policy: MeshPolicy, catalog: Catalog): void {
    const unknown = new Map<string, string>();
    for (const { service, path, prefix } of policy.edge.routes)
      if (!catalog.has(service)) unknown.set(service, path ?? prefix!);
    for (const [service, cancel] of this.#pending) {
      if (unknown.has(service)) continue;
      cancel();
      this.#pending.delete(service);
    }
    for (const [service, path] of unknown) {
      if (this.#pending.has(service)) continue;
      const tell = (): void =>
        this.#log.warn(`route ${path} goes to service "${service}", which no source knows`);
      this.#pending.set(service, this.#clock.after(GRACE, tell));
    }
  }

  close(): void {
    for (const cancel of this.#pending.values()) cancel();
  }
}
