import type { Clock } from "../base/clock.ts";
import * as lease from "./lease.ts";
import { formatAddress, isLive } from "./model.ts";
import type { Health, Instance, InstanceId, InstanceSpec } from "./model.ts";
import { Refusal } from "./refusal.ts";
import type { RegistryStore } from "./store.ts";

export interface RegistryEvents {
  /** Told each time a lease ran out. */
  onExpired(instance: Instance): void;
  /** Told when leases were prolonged because the registry itself had been asleep. */
  onPause(pausedMs: number): void;
  /** Told when the sweep could not write. */
  onError(error: Error): void;
}

export interface RegistryTimes {
  readonly defaultLeaseSeconds: number;
  /** How long gone instances are kept. */
  readonly retentionMs: number;
  readonly sweepMs?: number;
}

/** The registry's rules over a store: who is registered, leases and their end. */
export class Registry {
  readonly store: RegistryStore;
  readonly clock: Clock;
  readonly #times: RegistryTimes;
  readonly #events: RegistryEvents;
  #stopped = false;
  #cancel: () => void = () => {};

  constructor(store: RegistryStore, clock: Clock, times: RegistryTimes, events: RegistryEvents) {
    this.store = store;
    this.clock = clock;
    this.#times = times;
    this.#events = events;
  }

  /** Gives every lease a full period from now – nobody could renew while the registry was away – and starts to look for ended ones. */
  async start(): Promise<void> {
    await this.#grantGrace();
    this.#schedule(this.clock.now());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** Gives the instance and whether it is new (or back from being gone). */
  async register(
    id: InstanceId,
    given: Partial<InstanceSpec> | ((current: Instance | undefined) => Partial<InstanceSpec>),
  ): Promise<{ instance: Instance; created: boolean }> {
    let created = false;
    const instance = await this.store.update(id, (current) => {
      created = current === undefined || !isLive(current);
      const spec = typeof given === "function" ? given(current) : given;
      return lease.register(current, id, spec, this.#defaults(), this.clock.wall());
    });
    return { instance: instance!, created };
  }

  renew(id: InstanceId): Promise<Instance> {
    return this.#change(id, (current) => lease.renew(current, id, this.clock.wall()));
  }

  drain(id: InstanceId, why: string): Promise<Instance> {
    return this.#change(id, (current) => lease.drain(current, id, why, this.clock.wall()));
  }

  undrain(id: InstanceId): Promise<Instance> {
    return this.#change(id, (current) => lease.undrain(current, id, this.clock.wall()));
  }

  setWeight(id: InstanceId, weight: number): Promise<Instance> {
    return this.#change(id, (current) => lease.setWeight(current, id, weight));
  }

  setHealth(id: InstanceId, health: Health): Promise<Instance> {
    return this.#change(id, (current) => lease.setHealth(current, id, health));
  }

  deregister(id: InstanceId, why: string): Promise<Instance> {
    return this.#change(id, (current) => lease.deregister(current, id, why, this.clock.wall()));
  }

  /** In any state. Throws a Refusal (404) when it is not known. */
  async get(id: InstanceId): Promise<Instance> {
    const instance = await this.store.get(id);
    if (instance !== undefined) return instance;
    throw new Refusal(404, `instance ${formatAddress(id)} of service "${id.service}" is not registered`);
  }

  /** Expires and forgets what is due. Runs by itself; tests call it. */
  async sweep(): Promise<void> {
    const now = this.clock.wall();
    const due: Promise<void>[] = [];
    for (const instance of await this.store.all()) {
      if (lease.expire(instance, now) !== instance) due.push(this.#expire(instance));
      else if (lease.isForgettable(instance, now, this.#times.retentionMs)) due.push(this.#forget(instance));
    }
    await Promise.all(due);
  }

  async #change(id: InstanceId, update: (current: Instance | undefined) => Instance): Promise<Instance> {
    return (await this.store.update(id, update))!;
  }

  async #expire(seen: Instance): Promise<void> {
    let expired = false;
    const now = await this.store.update(seen, (current) => {
      const next = current && lease.expire(current, this.clock.wall());
      expired = next !== current;
      return next;
    });
    if (expired && now !== undefined) this.#events.onExpired(now);
  }

  async #forget(seen: Instance): Promise<void> {
    await this.store.update(seen, (current) => {
      if (current === undefined) return current;
      return lease.isForgettable(current, this.clock.wall(), this.#times.retentionMs) ? undefined : current;
    });
  }

  async #grantGrace(): Promise<void> {
    const now = this.clock.wall();
    const all = await this.store.all();
    await Promise.all(
      all
        .filter((instance) => lease.grantGrace(instance, now) !== instance)
        .map((instance) =>
          this.store.update(instance, (current) => current && lease.grantGrace(current, now)),
        ),
    );
  }

  #schedule(before: number): void {
    if (this.#stopped) return;
    const sweepMs = this.#times.sweepMs ?? 250;
    this.#cancel = this.clock.after(sweepMs, () => void this.#tick(before, sweepMs));
  }

  async #tick(before: number, sweepMs: number): Promise<void> {
    const now = this.clock.now();
    try {
      // A stopped process (SIGSTOP, a suspended machine, a starved CPU) could not take renewals: that must not end leases.
      const paused = now - before - sweepMs;
      if (paused > 2000) {
        this.#events.onPause(paused);
        await this.#grantGrace();
      }
      await this.sweep();
    } catch (error) {
      if (!this.#stopped) this.#events.onError(error as Error);
    }
    this.#schedule(now);
  }

  #defaults(): InstanceSpec {
    return {
      zone: "",
      region: "",
      weight: 1,
      version: "",
      metadata: {},
      health: "healthy",
      leaseSeconds: this.#times.defaultLeaseSeconds,
    };
  }
}
