import type { Clock } from "../../base/clock.ts";
import type { MessageOf } from "../../proto/registry.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import type { Resource } from "../../xds/source.ts";
import type { Logger } from "../api.ts";
import type { ToWorker } from "../link.ts";
import { Subscription, type ConfigSource, type OpenWatch } from "./subscription.ts";

type RouteMessage = MessageOf<"envoy.config.route.v3.RouteConfiguration">;

/** A route configuration that comes by RDS. */
export interface RouteState {
  readonly name: string;
  message: RouteMessage | undefined;
  bytes: Uint8Array | undefined;
  version: string;
  /** Milliseconds since the Unix epoch. */
  updated: number;
}

export interface RouteManagerOptions {
  readonly open: OpenWatch;
  /** Throws an Error with Envoy's text if a worker would not take the routes. */
  check(routes: RouteMessage): void;
  broadcast(message: ToWorker): void;
  /** Nobody asks for these routes any longer. */
  forget(name: string): void;
  readonly stats: StatStore;
  readonly texts: Map<string, string>;
  readonly clock: Clock;
  logger(component: string): Logger;
}

/** A listener's hold on a route configuration. */
export interface RouteLease {
  release(): void;
}

interface Entry {
  readonly state: RouteState;
  readonly subscription: Subscription;
  users: number;
  initialised: boolean;
  waiting: (() => void)[];
}

/** The route configurations that listeners want by RDS. One subscription serves all listeners that name it. */
export class RouteManager {
  readonly #options: RouteManagerOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: RouteManagerOptions) {
    this.#options = options;
  }

  /** All route configurations that are asked for. */
  routes(): readonly RouteState[] {
    return [...this.#entries.values()].map(({ state }) => state);
  }

  /** Asks for a route configuration. `onReady` is called once it is there, or start-up need not wait for it. */
  lease(source: ConfigSource, name: string, statPrefix: string, onReady: () => void): RouteLease {
    let entry = this.#entries.get(name);
    if (entry === undefined) this.#entries.set(name, (entry = this.#open(source, name, statPrefix)));
    const taken = entry;
    taken.users++;
    if (taken.initialised) queueMicrotask(onReady);
    else taken.waiting.push(onReady);
    let released = false;
    return {
      release: () => {
        if (released || --taken.users > 0) return;
        released = true;
        taken.subscription.close();
        this.#entries.delete(name);
        this.#options.forget(name);
      },
    };
  }

  close(): void {
    for (const { subscription } of this.#entries.values()) subscription.close();
  }

  #open(source: ConfigSource, name: string, statPrefix: string): Entry {
    const { open, stats, texts, clock, logger } = this.#options;
    const scope = stats.scope(`http.${statPrefix}.rds.${name}.`);
    scope.counter("config_reload");
    scope.counter("update_empty");
    const state: RouteState = { name, message: undefined, bytes: undefined, version: "", updated: 0 };
    const entry: { -readonly [K in keyof Entry]: Entry[K] } = {
      state,
      subscription: undefined as never,
      users: 0,
      initialised: false,
      waiting: [],
    };
    entry.subscription = new Subscription({
      source,
      kind: "rds",
      name,
      open,
      scope,
      texts,
      clock,
      log: logger("rds"),
      onUpdate: (resources, version) => {
        if (resources.length === 0) return scope.counter("update_empty").inc();
        if (this.#apply(state, resources[0]!, version)) {
          scope.counter("config_reload").inc();
          scope.gauge("config_reload_time_ms").set(Math.floor(clock.wall()));
        }
      },
      onInitialised: () => {
        entry.initialised = true;
        // Workers answer 404 for routes that never came.
        if (state.message === undefined) this.#options.broadcast({ kind: "routes", name, bytes: undefined });
        for (const onReady of entry.waiting) onReady();
        entry.waiting = [];
      },
    });
    return entry;
  }

  /** Returns whether anything changed. */
  #apply(state: RouteState, { message, bytes }: Resource, version: string): boolean {
    state.version = version;
    if (state.bytes !== undefined && Buffer.compare(state.bytes, bytes) === 0) return false;
    this.#options.check(message as RouteMessage);
    state.message = message as RouteMessage;
    state.bytes = bytes;
    state.updated = this.#options.clock.wall();
    this.#options.broadcast({ kind: "routes", name: state.name, bytes });
    this.#options
      .logger("rds")
      .debug(`rds: loading new configuration: config_name=${state.name} version=${version}`);
    return true;
  }
}
