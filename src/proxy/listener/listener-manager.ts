import { decode } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type {
  Extensions,
  FactoryContext,
  NetworkFilterContext,
  RouteConfigs,
  SocketEndpoint,
} from "../api.ts";
import { createAccessLogs } from "../access-log/access-log.ts";
import { compileSubstitutionFormat } from "../formatter/substitution-format.ts";
import { listenAddresses } from "../main/listener-parts.ts";
import type { BindAddress, Closing, FromWorker, HandedSocket, ToWorker } from "../link.ts";
import { ActiveListener, type ConnectionOwner } from "./active-listener.ts";
import { besidesFilterChains } from "./filter-chain-update.ts";
import { closeChain, FilterChains, type Chain } from "./filter-chains.ts";
import { ParkedSocket } from "../hot-restart/parked-socket.ts";
import { SocketCloser } from "./socket-closer.ts";

type Listener = Messages["envoy.config.listener.v3.Listener"];
type ListenerMessage = Extract<ToWorker, { kind: "listener" }>;

const DEFAULT_BUFFER_LIMIT = 1024 * 1024;
const INBOUND = 1;
/** envoy.config.listener.v3.Listener.DrainType */
const MODIFY_ONLY = 1;
/** Default of how long connections of a replaced version may go on, milliseconds. */
const UPDATE_DRAIN = 600_000;
/** How long connections may stay idle when the process drains: the first request may be on its way. Milliseconds. */
const IDLE_GRACE = 500;

export interface ListenerManagerOptions {
  readonly factory: FactoryContext;
  readonly extensions: Extensions;
  readonly routes: RouteConfigs;
  /** Whether a response should end its connection. @param modifyOnly on a listener that only its updates drain */
  readonly drainDecision: (modifyOnly: boolean) => boolean;
  readonly post: (message: FromWorker) => void;
}

interface Entry {
  readonly active: ActiveListener;
  /** Where it listens, or would if it were bound. */
  readonly addresses: readonly BindAddress[];
  readonly inbound: boolean;
  readonly bind: readonly BindAddress[];
  /** All but the filter chains; see besidesFilterChains. */
  readonly besides: Uint8Array;
}

/** Chains that accept nothing any more. */
interface Draining {
  readonly active: ActiveListener;
  readonly chains: readonly Chain[];
  /** Whose connections have to end first. */
  readonly owners: ReadonlySet<ConnectionOwner>;
  finish(): void;
}

/** The listeners of one worker. */
export class ListenerManager {
  readonly #options: ListenerManagerOptions;
  readonly #entries = new Map<string, Entry>();
  /** Listeners by "ip port", for connections that were redirected; made when one asks. */
  #byAddress: Map<string, ActiveListener> | undefined;
  readonly #draining = new Set<Draining>();
  readonly #closer: SocketCloser;
  /** Sockets whose listener has not come yet. */
  readonly #early: ParkedSocket[] = [];

  constructor(options: ListenerManagerOptions) {
    this.#options = options;
    this.#closer = new SocketCloser(options.factory.workerIndex, options.post);
  }

  /** Adds or updates a listener; the answer is posted. */
  async apply(message: ListenerMessage): Promise<void> {
    const { post } = this.#options;
    try {
      await this.#apply(message);
      post({ kind: "listening", name: message.name, error: undefined });
    } catch (error) {
      post({
        kind: "listening",
        name: message.name,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Stops accepting, drains, and posts "drained" when the last connection is gone, at the latest after `drainMs`. */
  remove(name: string, drainMs: number, closing?: Closing): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return this.#options.post({ kind: "drained", name });
    this.#entries.delete(name);
    this.#byAddress = undefined;
    this.#stop(name, entry.active, drainMs, closing, () => this.#options.post({ kind: "drained", name }));
  }

  /**
   * Stops accepting on all listeners, or on the inbound ones, and closes idle connections if asked to.
   * "stopped-listening" is posted when it is done.
   */
  async stopListening(message: Extract<ToWorker, { kind: "stop-listening" }>): Promise<void> {
    const { id, inboundOnly, closeIdle, closing, shared } = message;
    const { factory, post } = this.#options;
    const stopping: Promise<void>[] = [];
    for (const [name, { active, inbound }] of this.#entries) {
      if (inboundOnly && !inbound) continue;
      const stopped = this.#closer.close(name, active.listening, closing, shared);
      stopping.push(stopped);
      if (!closeIdle) continue;
      void stopped.then(() => factory.clock.after(IDLE_GRACE, () => active.chains.drain(true)));
    }
    if (closeIdle && !inboundOnly)
      for (const { chains } of this.#draining) for (const { factory } of chains) factory.drain(true);
    await Promise.all(stopping);
    post({ kind: "stopped-listening", id });
  }

  /** Gives sockets to another process; open connections go on. */
  releaseSockets(id: number, addresses: readonly BindAddress[]): void {
    const sockets = [...this.#entries.values()].flatMap(({ active }) => active.listening.release(addresses));
    this.#options.post({ kind: "released", id, sockets });
  }

  /** Gives all sockets away that another thread can have. */
  orphanSockets(): HandedSocket[] {
    return [...this.#entries.values()].flatMap(({ active }) => active.listening.releaseToThread());
  }

  /** Takes sockets that were released, or of a worker that is gone; their listener may be on its way. */
  adoptSockets(sockets: readonly HandedSocket[]): void {
    for (const socket of sockets) {
      const entry = [...this.#entries.values()].find(({ bind }) =>
        bind.some((each) => sameAddresses([each], [socket.bind])),
      );
      if (entry === undefined) this.#early.push(new ParkedSocket(socket));
      else entry.active.listening.adopt([socket]);
    }
  }

  /** Takes sockets of another worker, to be closed here. */
  takeSockets({ closing, listener, sockets }: Extract<ToWorker, { kind: "sockets" }>): void {
    this.#closer.take(closing, listener, sockets);
  }

  /** Addresses that a listener accepts on. */
  addresses(name: string): BindAddress[] {
    return this.#entries.get(name)?.active.listening.addresses() ?? [];
  }

  /** Writes out logs. */
  close(): void {
    for (const entry of this.#entries.values()) {
      entry.active.listening.closeNow();
      entry.active.chains.close();
    }
  }

  async #apply(message: ListenerMessage): Promise<void> {
    const listener = decode("envoy.config.listener.v3.Listener", message.bytes);
    const context = listenerContext(listener, message.bind, this.#options);
    const { name, bind, closing } = message;
    const drainMs = message.drainMs ?? UPDATE_DRAIN;
    const known = this.#entries.get(name);
    const besides = besidesFilterChains(listener);
    const addresses = bind.length > 0 ? bind : listenAddresses(listener);
    const inbound = (listener.trafficDirection as number) === INBOUND;
    if (known !== undefined && sameAddresses(known.bind, bind)) {
      const { active } = known;
      const old = active.chains;
      const chainsOnly = Buffer.compare(known.besides, besides) === 0;
      active.swap(new FilterChains(listener, context, chainsOnly ? old : undefined));
      this.#byAddress = undefined;
      this.#entries.set(name, { active, bind, addresses, inbound, besides });
      if (chainsOnly) this.#drainReplaced(active, old, drainMs);
      else this.#drain(active, old, drainMs, () => {});
      return;
    }
    const chains = new FilterChains(listener, context);
    const { factory } = this.#options;
    const limitKey = `envoy.resource_limits.listener.${name}.connection_limit`;
    const active = new ActiveListener(chains, {
      name,
      clock: factory.clock,
      net: factory.net,
      scope: context.listenerScope,
      workerIndex: factory.workerIndex,
      bufferLimit: context.perConnectionBufferLimit,
      backlog: listener.tcpBacklogSize ?? 0,
      limit: () => factory.runtime.number(limitKey, 0),
      transparent: listener.transparent ?? false,
      find: (address) => this.#find(address),
    });
    active.onEmpty = (gone) => {
      for (const each of this.#draining) if (each.owners.has(gone) && isEmpty(each)) each.finish();
    };
    // A version or a listener that goes leaves its sockets to the one that comes.
    const before = [...this.#entries.values()].map(({ active: { listening } }) => listening);
    for (const other of before) active.listening.takeFrom(other, bind);
    active.listening.adopt(message.sockets ?? []);
    active.listening.adopt(this.#takeEarly(bind));
    try {
      await active.listening.listen(bind);
    } catch (error) {
      for (const other of before) other.takeBack(active.listening);
      throw error;
    }
    this.#byAddress = undefined;
    this.#entries.set(name, { active, bind, addresses, inbound, besides });
    if (known !== undefined) this.#stop(name, known.active, drainMs, closing, () => {});
  }

  /** The listener at exactly this address, or else at its port on all addresses. */
  #find({ ip, port }: SocketEndpoint): ActiveListener | undefined {
    if (this.#byAddress === undefined) {
      this.#byAddress = new Map();
      for (const { active, addresses } of this.#entries.values())
        for (const each of addresses) this.#byAddress.set(`${each.ip} ${each.port}`, active);
    }
    const any = ip.includes(":") ? "::" : "0.0.0.0";
    return this.#byAddress.get(`${ip} ${port}`) ?? this.#byAddress.get(`${any} ${port}`);
  }

  #takeEarly(bind: readonly BindAddress[]): HandedSocket[] {
    const fits = (socket: ParkedSocket): boolean => bind.some((each) => sameAddresses([each], [socket.bind]));
    const taken = this.#early.filter(fits);
    for (const socket of taken) this.#early.splice(this.#early.indexOf(socket), 1);
    return taken.map((socket) => socket.unpark());
  }

  /** Lets a listener accept what waits, then drains what it has. */
  #stop(
    name: string,
    active: ActiveListener,
    drainMs: number,
    closing: Closing | undefined,
    done: () => void,
  ): void {
    void this.#closer
      .close(name, active.listening, closing)
      .then(() => this.#drain(active, active.chains, drainMs, done));
  }

  /** Drains a whole version. */
  #drain(active: ActiveListener, version: FilterChains, drainMs: number, done: () => void): void {
    this.#drainChains(active, version.all, new Set([version, ...version.all]), drainMs, () => {
      version.log?.close();
      done();
    });
  }

  /** Drains the chains of a version that the present one does not have. */
  #drainReplaced(active: ActiveListener, { all }: FilterChains, drainMs: number): void {
    const kept = new Set(active.chains.all);
    const replaced = all.filter((chain) => !kept.has(chain));
    if (replaced.length > 0) this.#drainChains(active, replaced, new Set(replaced), drainMs, () => {});
  }

  #drainChains(
    active: ActiveListener,
    chains: readonly Chain[],
    owners: ReadonlySet<ConnectionOwner>,
    drainMs: number,
    done: () => void,
  ): void {
    let cancel: (() => void) | undefined;
    const finish = (): void => {
      cancel?.();
      this.#draining.delete(draining);
      for (const chain of chains) closeChain(chain);
      done();
    };
    const draining: Draining = { active, chains, owners, finish };
    this.#draining.add(draining);
    // An idle connection that is closed may lose a request that is on its way: it goes after its next response.
    for (const { factory } of chains) factory.drain(false);
    if (isEmpty(draining)) return finish();
    cancel = this.#options.factory.clock.after(drainMs, () => {
      active.destroyConnectionsOf(owners);
    });
  }
}

function isEmpty({ active, owners }: Draining): boolean {
  for (const owner of owners) if (active.connectionsOf(owner) > 0) return false;
  return true;
}

/** What a listener's network filters get. */
export function listenerContext(
  listener: Listener,
  bind: readonly BindAddress[],
  options: Omit<ListenerManagerOptions, "post">,
): NetworkFilterContext {
  const prefix =
    listener.statPrefix === "" ? statAddress(bind[0] ?? listenAddresses(listener)[0]) : listener.statPrefix;
  const { factory } = options;
  const modifyOnly = (listener.drainType as number) === MODIFY_ONLY;
  const context: NetworkFilterContext = {
    clock: factory.clock,
    wheel: factory.wheel,
    net: factory.net,
    stats: factory.stats,
    clusters: factory.clusters,
    calls: factory.calls,
    secrets: factory.secrets,
    runtime: factory.runtime,
    logger: (component) => factory.logger(component),
    random: () => factory.random(),
    node: factory.node,
    workerIndex: factory.workerIndex,
    localIp: factory.localIp,
    ...(factory.processSecret !== undefined && { processSecret: factory.processSecret }),
    listenerScope: factory.stats.scope(`listener.${prefix}.`),
    listenerName: listener.name,
    perConnectionBufferLimit: listener.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER_LIMIT,
    drainDecision: () => options.drainDecision(modifyOnly),
    failsHealthChecks: () => options.drainDecision(false),
    routes: options.routes,
    extensions: options.extensions,
    format: (config) => compileSubstitutionFormat(config, options.extensions.operators),
    accessLogs: (list) => createAccessLogs(list, context),
  };
  return context;
}

/** "127.0.0.1_8080", "[__1]_8080", or the path with "/" and ":" as "_". */
function statAddress(address: BindAddress | undefined): string {
  if (address === undefined) return "none";
  if (address.path !== "") return address.path.replace(/[:/]/g, "_");
  const ip = address.ip.includes(":") ? `[${address.ip}]` : address.ip;
  return `${ip}:${address.port}`.replaceAll(":", "_");
}

function sameAddresses(a: readonly BindAddress[], b: readonly BindAddress[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
