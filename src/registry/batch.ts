import { isRenewal } from "./lease.ts";
import { instanceKey } from "./model.ts";
import type { Change, Instance, InstanceId } from "./model.ts";
import type { Revision } from "./store.ts";

type Instances = Map<string, Instance>;

/** What the updates of one transaction come to, on top of what is stored (instances by service and key). */
export class Batch {
  readonly changes: Change[] = [];
  readonly renewals: Instances = new Map();
  readonly #stored: Map<string, Instances>;
  readonly #written = new Map<string, Instance | undefined>();
  readonly #forgotten = new Set<string>();
  revision: Revision;

  constructor(stored: Map<string, Instances>, revision: Revision) {
    this.#stored = stored;
    this.revision = revision;
  }

  read(id: InstanceId): Instance | undefined {
    const key = instanceKey(id);
    if (this.#written.has(key)) return this.#written.get(key);
    return this.#forgotten.has(id.service) ? undefined : this.#stored.get(id.service)?.get(key);
  }

  readService(service: string): Instance[] | undefined {
    const stored = this.#forgotten.has(service) ? undefined : this.#stored.get(service);
    const merged: Instances = new Map(stored);
    let known = stored !== undefined;
    for (const [key, instance] of this.#written) {
      if (instance === undefined) merged.delete(key);
      else if (instance.service === service) merged.set(key, instance);
      known ||= instance?.service === service;
    }
    return known ? [...merged.values()] : undefined;
  }

  write(id: InstanceId, current: Instance | undefined, next: Instance | undefined): Instance | undefined {
    const key = instanceKey(id);
    if (current !== undefined && next !== undefined && isRenewal(current, next)) {
      this.renewals.set(key, next);
      this.#written.set(key, next);
      return next;
    }
    const revision = ++this.revision;
    const stored = next && { ...next, revision };
    this.renewals.delete(key);
    this.#written.set(key, stored);
    this.changes.push(
      stored ? { type: "put", revision, instance: stored } : { type: "removed", revision, id },
    );
    return stored;
  }

  forget(service: string): void {
    this.#forgotten.add(service);
    for (const [key, instance] of this.#written) if (instance?.service === service) this.#written.delete(key);
    this.changes.push({ type: "forgotten", revision: ++this.revision, service });
  }
}
