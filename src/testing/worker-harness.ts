import { extensions as manifest } from "../extensions/index.ts";
import type { Clock } from "../base/clock.ts";
import { loadOrThrow } from "../proto/load.ts";
import { create, encode } from "../proto/registry.ts";
import { MergedStats } from "../stats/merged-stats.ts";
import type { Extensions } from "../proxy/api.ts";
import {
  BREAKER_WORDS,
  HOST_WORDS,
  type FromWorker,
  type HostSpec,
  type ToWorker,
  type WorkerInit,
} from "../proxy/link.ts";
import { secretKey } from "../proxy/secrets.ts";
import { WorkerRuntime } from "../proxy/worker-runtime.ts";

const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
const SDS_CONFIG = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig";

export interface HarnessOptions {
  readonly extensions?: Extensions;
  readonly clock?: Clock;
}

/** A worker in this thread, fed with YAML instead of by a main thread. Addresses are resolved by the caller: 127.0.0.1 ports. */
export class WorkerHarness {
  readonly stats = new MergedStats();
  readonly logs: string[] = [];
  readonly posted: FromWorker[] = [];
  readonly runtime: WorkerRuntime;
  readonly drainState = new SharedArrayBuffer(8);
  #waiting: (() => void)[] = [];
  #slots = 0;
  #hosts = 0;

  constructor(options: HarnessOptions = {}) {
    const init: WorkerInit = {
      index: 0,
      concurrency: 1,
      bootstrap: encode("envoy.config.bootstrap.v3.Bootstrap", create("envoy.config.bootstrap.v3.Bootstrap")),
      breakers: new SharedArrayBuffer(BREAKER_WORDS * 4 * 16),
      hostStates: new SharedArrayBuffer(HOST_WORDS * 4 * 64),
      drainState: this.drainState,
      logLevels: { "": "info" },
      logPath: "",
      localIp: "192.0.2.2",
    };
    const post = (message: FromWorker): void => this.#receive(message);
    this.runtime = new WorkerRuntime(init, options.extensions ?? manifest, { post }, () => {}, options.clock);
  }

  /** Adds or updates a listener on a free port of 127.0.0.1, or on `port`; resolves with the port. */
  async listen(yaml: string, port = 0): Promise<number> {
    const { message } = loadOrThrow("envoy.config.listener.v3.Listener", yaml, { file: "listener.yaml" });
    const answer = this.#next((each) => each.kind === "listening" && each.name === message.name);
    this.send({
      kind: "listener",
      name: message.name,
      bytes: encode("envoy.config.listener.v3.Listener", message),
      bind: [{ ip: "127.0.0.1", port, path: "" }],
    });
    const listening = await answer;
    if (listening.kind === "listening" && listening.error !== undefined) throw new Error(listening.error);
    return this.runtime.listeners.addresses(message.name)[0]!.port;
  }

  /** Adds a cluster with endpoints on 127.0.0.1; returns these. */
  cluster(yaml: string, ports: readonly number[]): readonly HostSpec[] {
    const { message } = loadOrThrow("envoy.config.cluster.v3.Cluster", yaml, { file: "cluster.yaml" });
    this.send({
      kind: "cluster",
      name: message.name,
      bytes: encode("envoy.config.cluster.v3.Cluster", message),
      breakerSlot: this.#slots++,
    });
    const hosts = ports.map((port) => hostSpec(this.#hosts++, port));
    this.send({ kind: "hosts", cluster: message.name, hosts, overprovisioning: 140 });
    return hosts;
  }

  /** A discovered secret as the main thread would tell it, for whoever asks for it with this config (YAML of an SdsSecretConfig). */
  secret(config: string, yaml: string): void {
    const sds = loadOrThrow(SDS_CONFIG, config, { file: "sds.yaml" }).message;
    const { message } = loadOrThrow(SECRET, yaml, { file: "secret.yaml" });
    this.send({ kind: "secret", key: secretKey(sds), bytes: encode(SECRET, message) });
  }

  send(message: ToWorker): void {
    this.runtime.apply(message);
  }

  /** Value of a counter or gauge, 0 if it does not exist. */
  stat(name: string): number {
    const { counters, gauges } = this.stats.snapshot();
    return counters.get(name) ?? gauges.get(name) ?? 0;
  }

  /** Waits for a message of the worker that comes from now on. */
  next(kind: FromWorker["kind"]): Promise<FromWorker> {
    return this.#next((message) => message.kind === kind);
  }

  close(): void {
    this.send({ kind: "exit" });
  }

  async #next(wanted: (message: FromWorker) => boolean): Promise<FromWorker> {
    const from = this.posted.length;
    for (;;) {
      const found = this.posted.slice(from).find(wanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #receive(message: FromWorker): void {
    if (message.kind === "stats") this.stats.update("worker_0", message.update);
    if (message.kind === "log") this.logs.push(`[${message.level}][${message.component}] ${message.message}`);
    this.posted.push(message);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function hostSpec(slot: number, port: number): HostSpec {
  return {
    slot,
    address: `127.0.0.1:${port}`,
    ip: "127.0.0.1",
    port,
    hostname: "",
    weight: 1,
    priority: 0,
    region: "",
    zone: "",
    subZone: "",
    localityWeight: 0,
    health: "healthy",
    metadata: undefined,
  };
}
