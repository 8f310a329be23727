import type { Clock } from "../../base/clock.ts";
import { durationMs } from "../../proto/duration.ts";
import type { MessageOf } from "../../proto/registry.ts";
import type { StatScope } from "../../stats/stat-store.ts";
import type { FailureKind, Resource, Watch, WatchHandler } from "../../xds/source.ts";
import type { XdsKind } from "../../xds/types.ts";
import type { Logger } from "../api.ts";

export type ConfigSource = MessageOf<"envoy.config.core.v3.ConfigSource">;

/** How long the first answer may take where the configuration says nothing, in milliseconds. */
const INITIAL_FETCH_TIMEOUT = 15_000;

/** Opens a watch on whatever a ConfigSource describes. */
export type OpenWatch = (
  source: ConfigSource,
  kind: XdsKind,
  name: string | undefined,
  handler: WatchHandler,
) => Watch;

export interface SubscriptionOptions {
  readonly source: ConfigSource;
  readonly kind: XdsKind;
  /** undefined = all resources. */
  readonly name: string | undefined;
  readonly open: OpenWatch;
  /** Where update_attempt and the like are counted. */
  readonly scope: StatScope;
  /** Text readouts of the process, for version_text. */
  readonly texts: Map<string, string>;
  readonly clock: Clock;
  readonly log: Logger;
  /** New resources; throwing rejects them. */
  onUpdate(resources: readonly Resource[], version: string): void;
  /** Start-up need not wait any longer: something came, was refused, or the time is up. Called once. */
  onInitialised(outcome: "update" | "rejected" | "timeout"): void;
}

/** A watch with Envoy's stats, initial fetch timeout and log lines around it. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  readonly #watch: Watch;
  #cancelTimeout: (() => void) | undefined;
  #initialised = false;
  /** Accepted version; "" = none. */
  version = "";

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    const { scope, clock } = options;
    const timeout = durationMs(options.source.initialFetchTimeout, INITIAL_FETCH_TIMEOUT);
    for (const name of [
      "update_attempt",
      "update_success",
      "update_failure",
      "update_rejected",
      "init_fetch_timeout",
    ]) {
      scope.counter(name);
    }
    scope.gauge("version");
    if (timeout > 0) {
      this.#cancelTimeout = clock.after(timeout, () => {
        scope.counter("init_fetch_timeout").inc();
        options.log.warn(`${this.#what()}: initial fetch timed out after ${timeout} ms`);
        this.#initialise("timeout");
      });
    }
    this.#watch = options.open(options.source, options.kind, options.name, {
      onAttempt: () => scope.counter("update_attempt").inc(),
      onResources: (resources, version) => this.#update(resources, version),
      onFailure: (kind, detail) => this.#fail(kind, detail),
    });
  }

  close(): void {
    this.#cancelTimeout?.();
    this.#watch.close();
  }

  #update(resources: readonly Resource[], version: string): void {
    const { scope, texts, clock } = this.#options;
    const start = clock.now();
    this.#options.onUpdate(resources, version);
    this.version = version;
    scope.counter("update_success").inc();
    scope.gauge("update_time").set(Math.floor(clock.wall()));
    scope.gauge("version").set(hashOf(version));
    scope.histogram("update_duration").record(clock.now() - start);
    texts.set(`${scope.prefix}version_text`, version);
    this.#initialise("update");
  }

  #fail(kind: FailureKind, detail: string): void {
    const { scope, log } = this.#options;
    if (kind === "connection") {
      scope.counter("update_failure").inc();
      log.debug(`${this.#what()}: no update: ${detail}`);
      return;
    }
    // A file that cannot be read is a failure to Envoy, though nothing better is to be waited for.
    scope.counter(kind === "unreadable" ? "update_failure" : "update_rejected").inc();
    log.warn(`${this.#what()} rejected: ${detail}`);
    this.#initialise("rejected");
  }

  #initialise(outcome: "update" | "rejected" | "timeout"): void {
    this.#cancelTimeout?.();
    if (this.#initialised) return;
    this.#initialised = true;
    this.#options.onInitialised(outcome);
  }

  #what(): string {
    const { kind, name } = this.#options;
    return name === undefined ? `${kind} update` : `${kind} update of "${name}"`;
  }
}

/** 52 bits that differ where versions differ: the "version" gauges. */
function hashOf(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  return text === "" ? 0 : (high >>> 12) * 4294967296 + (low >>> 0);
}
