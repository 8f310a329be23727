import { encode, type MessageOf } from "../../proto/registry.ts";
import { textWithPath } from "../../proto/within.ts";
import type { Clock } from "../../base/clock.ts";
import type { MergedStats } from "../../stats/merged-stats.ts";
import { HTTP_STATS } from "../../stats/stat-names/http.ts";
import { LISTENER_STATS } from "../../stats/stat-names/listener.ts";
import { declareStats } from "../../stats/stat-names/stat-names.ts";
import type { StatScope, StatStore } from "../../stats/stat-store.ts";
import type { Resource } from "../../xds/source.ts";
import type { Logger } from "../api.ts";
import type { ParkedSocket } from "../hot-restart/parked-socket.ts";
import type { Closing, FromWorker, ToWorker } from "../link.ts";
import { filterChainsGone } from "../listener/filter-chain-update.ts";
import {
  connectionManagers,
  formatAddress,
  inlineRoutes,
  listenAddresses,
  statAddress,
  type ListenerMessage,
} from "./listener-parts.ts";
import type { HeldPort, PortHolder } from "./port-holder.ts";
import type { RouteLease, RouteManager } from "./route-manager.ts";
import { sdsConfigsOfListener } from "./sds-configs.ts";
import type { SecretLease, SecretManager } from "./secret-manager.ts";
import { Subscription, type ConfigSource, type OpenWatch } from "./subscription.ts";

type Bind = Extract<ToWorker, { kind: "listener" }>["bind"];

/** One version of a listener. */
export interface ListenerVersion {
  readonly message: ListenerMessage;
  readonly bytes: Uint8Array;
  /** Of the LDS response; "" for static ones. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly updated: number;
  readonly bind: Bind;
  readonly ports: readonly HeldPort[];
  readonly leases: (RouteLease | SecretLease)[];
  /** Route configurations written inside of the listener. */
  readonly routes: readonly MessageOf<"envoy.config.route.v3.RouteConfiguration">[];
}

/** A listener and where it stands. */
export interface ListenerState {
  readonly name: string;
  readonly dynamic: boolean;
  active: ListenerVersion | undefined;
  /** Waits for its routes and secrets, or for the clusters at start-up. */
  warming: ListenerVersion | undefined;
  /** Why the last update was refused. */
  error: { readonly details: string; readonly version: string; readonly time: number } | undefined;
}

export interface ListenerManagerOptions {
  readonly routes: RouteManager;
  readonly secrets: SecretManager;
  readonly ports: PortHolder;
  readonly open: OpenWatch;
  /** Throws an Error with Envoy's text if a worker would not take the listener. */
  check(listener: ListenerMessage, dynamic: boolean): void;
  broadcast(message: ToWorker): void;
  /** @param sockets those of its addresses that listen already */
  broadcastListener(message: Extract<ToWorker, { kind: "listener" }>, sockets: readonly ParkedSocket[]): void;
  /** How workers close the sockets of listeners that go. */
  closing(): Closing | undefined;
  readonly workers: number;
  /** How long connections of removed listeners may go on, in milliseconds. */
  readonly drainTime: number;
  readonly stats: StatStore;
  readonly merged: MergedStats;
  readonly texts: Map<string, string>;
  readonly clock: Clock;
  logger(component: string): Logger;
}

/** The listeners of the process: warms them, binds their addresses, hands them to the workers and follows LDS. */
export class ListenerManager {
  readonly listeners = new Map<string, ListenerState>();
  readonly #options: ListenerManagerOptions;
  readonly #scope: StatScope;
  readonly #log: Logger;
  /** Listeners that go with the update that is being applied: their addresses are free. */
  readonly #leaving = new Set<string>();
  readonly #failed = new Map<string, ListenerState>();
  readonly #draining = new Map<string, { waiting: number; finish: () => void }>();
  readonly #starting = new Map<
    string,
    { left: number; error: string | undefined; done: (error?: string) => void }
  >();
  /** Sockets of the generation before that no listener has taken yet. */
  readonly #inherited: ParkedSocket[] = [];
  #lds: Subscription | undefined;
  /** Workers may listen. */
  #serving = false;
  #anonymous = 0;
  /** Chains that updates in place replaced, and whose drain time is not over. */
  #chainsDraining = 0;
  #onSettled: (() => void)[] = [];

  constructor(options: ListenerManagerOptions) {
    this.#options = options;
    this.#scope = options.stats.scope("listener_manager.");
    this.#log = options.logger("config");
  }

  get ldsVersion(): string {
    return this.#lds?.version ?? "";
  }

  /** Listeners that were refused and never worked, for /config_dump. */
  get failed(): readonly ListenerState[] {
    return [...this.#failed.values()];
  }

  /** Adds a listener of the bootstrap. Throws an Error with Envoy's text. */
  addStatic(message: ListenerMessage): void {
    const name = message.name === "" ? `listener_${this.#anonymous++}` : message.name;
    if (this.listeners.has(name)) throw new Error(`error adding listener: duplicate listener name '${name}'`);
    this.#set(name, message, encode("envoy.config.listener.v3.Listener", message), false, "");
  }

  /** Opens LDS; resolves when it gave a first answer and its listeners have their routes. */
  async initialise(lds: ConfigSource | undefined): Promise<void> {
    if (lds !== undefined) await this.#openLds(lds);
    while ([...this.listeners.values()].some(({ warming }) => warming !== undefined && !isReady(warming))) {
      await new Promise<void>((resolve) => this.#onSettled.push(resolve));
    }
  }

  /** Addresses on which clients are accepted once the workers may listen. */
  warmAddresses(): Bind[number][] {
    return [...this.listeners.values()].flatMap(({ warming }) =>
      warming !== undefined && isReady(warming) ? warming.bind : [],
    );
  }

  /**
   * Lets the workers listen. Resolves when all listen; rejects with the first reason why one cannot.
   * @param inherited sockets of the generation before
   */
  async serve(inherited: readonly ParkedSocket[] = []): Promise<void> {
    this.#serving = true;
    this.#inherited.push(...inherited);
    const started: Promise<void>[] = [];
    for (const state of this.listeners.values()) {
      if (state.warming !== undefined && isReady(state.warming)) started.push(this.#activate(state));
    }
    await Promise.all(started);
    for (const socket of this.#inherited.splice(0)) socket.close();
  }

  /** Applies a whole LDS state: what is absent and came by LDS before is removed. Throws with Envoy's text. */
  applyLds(resources: readonly Resource[], version: string): void {
    const problems: string[] = [];
    const names = new Set<string>();
    const wanted = new Set(resources.map(({ name }) => name));
    const leaving = [...this.listeners.values()].filter(({ name, dynamic }) => dynamic && !wanted.has(name));
    for (const { name } of leaving) this.#leaving.add(name);
    this.#failed.clear();
    for (const { name, message, bytes } of resources) {
      if (names.has(name)) {
        problems.push(`${name}: duplicate listener ${name} found`);
        continue;
      }
      names.add(name);
      try {
        this.#set(name, message as ListenerMessage, bytes, true, version);
      } catch (error) {
        const details = textWithPath(error as Error);
        problems.push(`${name}: ${details}`);
        this.#refused(name, details, version);
      }
    }
    // After the new ones, which take over sockets that they have in common.
    for (const state of leaving) this.#remove(state);
    this.#leaving.clear();
    if (problems.length > 0) throw new Error(`Error adding/updating listener(s) ${problems.join("\n")}\n`);
  }

  /** What workers say about listeners. */
  onWorker(message: FromWorker): void {
    if (message.kind === "listening") {
      const starting = this.#starting.get(message.name);
      if (message.error !== undefined) {
        this.#scope.counter("listener_create_failure").inc();
        this.#log.error(`listener "${message.name}" does not listen: ${message.error}`);
      }
      if (starting === undefined) return;
      starting.error ??= message.error;
      if (--starting.left > 0) return;
      this.#starting.delete(message.name);
      starting.done(starting.error);
    } else if (message.kind === "drained") {
      const draining = this.#draining.get(message.name);
      if (draining !== undefined && --draining.waiting <= 0) draining.finish();
    }
  }

  /** A worker died: it answers nothing any more, and what it drained is gone. */
  onWorkerGone(): void {
    for (const name of this.#starting.keys()) this.onWorker({ kind: "listening", name, error: undefined });
    for (const name of this.#draining.keys()) this.onWorker({ kind: "drained", name });
  }

  /** Addresses on which clients are accepted. */
  addresses(): { name: string; address: string; bind: Bind[number] }[] {
    return [...this.listeners.values()].flatMap(({ name, active }) =>
      (active?.bind ?? []).map((bind) => ({ name, address: formatAddress(bind), bind })),
    );
  }

  close(): void {
    this.#lds?.close();
  }

  #openLds(source: ConfigSource): Promise<void> {
    const { open, texts, clock } = this.#options;
    return new Promise((resolve) => {
      this.#lds = new Subscription({
        source,
        kind: "lds",
        name: undefined,
        open,
        scope: this.#scope.scope("lds."),
        texts,
        clock,
        log: this.#log,
        onUpdate: (resources, version) => this.applyLds(resources, version),
        onInitialised: () => resolve(),
      });
    });
  }

  #set(name: string, message: ListenerMessage, bytes: Uint8Array, dynamic: boolean, version: string): void {
    let state = this.listeners.get(name);
    if (state !== undefined && dynamic && !state.dynamic) return;
    const current = state?.warming ?? state?.active;
    if (current !== undefined && Buffer.compare(current.bytes, bytes) === 0) return;
    this.#options.check(message, dynamic);
    const next = this.#prepare(name, message, bytes, version);
    this.#scope.counter(state === undefined ? "listener_added" : "listener_modified").inc();
    this.#log.info(`lds: ${state === undefined ? "add" : "update"} listener '${name}'`);
    if (state === undefined) {
      state = { name, dynamic, active: undefined, warming: next, error: undefined };
      this.listeners.set(name, state);
    } else {
      if (state.warming !== undefined) release(state.warming);
      state.warming = next;
    }
    this.#takeRoutes(state, next);
    this.#gauges();
    if (this.#serving && isReady(next)) void this.#activate(state).catch(() => undefined);
  }

  /** Binds the addresses. Throws an Error with Envoy's text. */
  #prepare(name: string, message: ListenerMessage, bytes: Uint8Array, version: string): ListenerVersion {
    const ports: HeldPort[] = [];
    const bind: { ip: string; port: number; path: string }[] = [];
    const old = this.listeners.get(name)?.active?.bind ?? [];
    try {
      const addresses = message.bindToPort === false ? [] : listenAddresses(message);
      for (const [i, { ip, port, path, ipv6Only }] of addresses.entries()) {
        if (path !== "") {
          bind.push({ ip: "", port: 0, path });
          continue;
        }
        // An updated listener on port 0 keeps the port it got.
        const kept = port === 0 && old[i]?.ip === ip ? old[i].port : port;
        this.#refuseTaken(name, ip, kept);
        const held = this.#options.ports.acquire(ip, kept, ipv6Only);
        ports.push(held);
        bind.push({ ip, port: held.port, path: "" });
      }
    } catch (error) {
      for (const port of ports) port.release();
      this.#scope.counter("listener_create_failure").inc();
      throw error;
    }
    const routes = inlineRoutes(message);
    return { message, bytes, version, updated: this.#options.clock.wall(), bind, ports, leases: [], routes };
  }

  #refuseTaken(name: string, ip: string, port: number): void {
    for (const other of this.listeners.values()) {
      if (other.name === name || port === 0 || this.#leaving.has(other.name)) continue;
      const taken = (other.warming ?? other.active)?.bind.some(
        (bind) => bind.ip === ip && bind.port === port,
      );
      if (taken) {
        const address = formatAddress({ ip, port, path: "" });
        throw new Error(
          `error adding listener: '${name}' has duplicate address '${address}' as existing listener '${other.name}'`,
        );
      }
    }
  }

  #takeRoutes(state: ListenerState, next: ListenerVersion): void {
    const { routes, merged } = this.#options;
    const address = next.bind[0] ?? listenAddresses(next.message)[0];
    const prefix = address === undefined ? undefined : `listener.${statAddress(next.message, address)}.`;
    if (prefix !== undefined) declareStats(merged, prefix, LISTENER_STATS);
    const pending = { left: 0 };
    waiting.set(next, pending);
    this.#takeSecrets(state, next, pending);
    for (const hcm of connectionManagers(next.message)) {
      declareStats(merged, `http.${hcm.statPrefix}.`, HTTP_STATS);
      if (prefix !== undefined) declareStats(merged, `${prefix}http.${hcm.statPrefix}.`, LISTENER_HTTP_STATS);
      if (hcm.routeSpecifier.case !== "rds") continue;
      const { configSource, routeConfigName } = hcm.routeSpecifier.value;
      pending.left++;
      const lease = routes.lease(configSource!, routeConfigName, hcm.statPrefix, () => {
        pending.left--;
        this.#partsReady(state, next);
      });
      next.leases.push(lease);
    }
  }

  #takeSecrets(state: ListenerState, next: ListenerVersion, pending: { left: number }): void {
    const configs = sdsConfigsOfListener(next.message);
    if (configs.length === 0) return;
    pending.left++;
    const lease = this.#options.secrets.lease(configs, () => {
      pending.left--;
      this.#partsReady(state, next);
    });
    next.leases.push(lease);
  }

  #partsReady(state: ListenerState, version: ListenerVersion): void {
    if (state.warming !== version || !isReady(version)) return;
    if (this.#serving) void this.#activate(state).catch(() => undefined);
    const settled = this.#onSettled;
    this.#onSettled = [];
    for (const resolve of settled) resolve();
  }

  /** Workers get the warm version; the one before drains there. */
  #activate(state: ListenerState): Promise<void> {
    const next = state.warming!;
    const old = state.active;
    state.active = next;
    state.warming = undefined;
    state.error = undefined;
    const { broadcastListener, closing, clock, drainTime, workers } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#starting.set(state.name, {
      left: workers,
      error: undefined,
      done: (error) => {
        if (error === undefined) this.#scope.counter("listener_create_success").add(workers);
        if (error === undefined) resolve();
        else reject(new Error(error));
      },
    });
    const { name } = state;
    const { bytes, bind } = next;
    broadcastListener(
      { kind: "listener", name, bytes, bind, drainMs: drainTime, closing: closing() },
      this.#takeInherited(bind),
    );
    if (old !== undefined) {
      const gone = filterChainsGone(old.message, next.message);
      if (gone !== undefined) this.#scope.counter("listener_in_place_updated").inc();
      this.#chainsDraining += gone ?? 0;
      // Routes and ports of the old version are kept until its connections are gone.
      clock.after(drainTime, () => {
        release(old);
        this.#chainsDraining -= gone ?? 0;
        this.#gauges();
      });
    }
    this.#gauges();
    return promise;
  }

  #takeInherited(bind: Bind): ParkedSocket[] {
    const fits = (socket: ParkedSocket): boolean =>
      bind.some(({ ip, port }) => ip === socket.bind.ip && port === socket.bind.port);
    const taken = this.#inherited.filter(fits);
    for (const socket of taken) this.#inherited.splice(this.#inherited.indexOf(socket), 1);
    return taken;
  }

  #remove(state: ListenerState): void {
    const { name, active, warming } = state;
    this.listeners.delete(name);
    this.#scope.counter("listener_removed").inc();
    this.#log.info(`lds: remove listener '${name}'`);
    if (warming !== undefined) release(warming);
    if (active !== undefined) this.#drain(name, active);
    this.#gauges();
  }

  #drain(name: string, version: ListenerVersion): void {
    const { broadcast, closing, drainTime, workers, clock } = this.#options;
    this.#draining.get(name)?.finish();
    const finish = (): void => {
      cancel();
      this.#draining.delete(name);
      release(version);
      this.#gauges();
    };
    const cancel = clock.after(drainTime + 1000, finish);
    this.#draining.set(name, { waiting: workers, finish });
    broadcast({ kind: "remove-listener", name, drainMs: drainTime, closing: closing() });
  }

  #refused(name: string, details: string, version: string): void {
    const error = { details, version, time: this.#options.clock.wall() };
    const state = this.listeners.get(name);
    if (state !== undefined) state.error = error;
    else this.#failed.set(name, { name, dynamic: true, active: undefined, warming: undefined, error });
  }

  #gauges(): void {
    const all = [...this.listeners.values()];
    this.#scope.gauge("total_listeners_active").set(all.filter(({ active }) => active !== undefined).length);
    this.#scope
      .gauge("total_listeners_warming")
      .set(all.filter(({ warming }) => warming !== undefined).length);
    this.#scope.gauge("total_listeners_draining").set(this.#draining.size);
    this.#scope.gauge("total_filter_chains_draining").set(this.#chainsDraining);
  }
}

/** Names under "listener.<address>.http.<stat_prefix>." */
const LISTENER_HTTP_STATS = {
  counters: ["1xx", "2xx", "3xx", "4xx", "5xx", "completed"].map((name) => `downstream_rq_${name}`),
  gauges: [],
  histograms: [],
};

/** Route configurations and secrets that a version still waits for. */
const waiting = new WeakMap<ListenerVersion, { left: number }>();

function isReady(version: ListenerVersion): boolean {
  return (waiting.get(version)?.left ?? 0) <= 0;
}

function release(version: ListenerVersion): void {
  for (const lease of version.leases) lease.release();
  for (const port of version.ports) port.release();
}
