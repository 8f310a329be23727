import type { Clock } from "../base/clock.ts";
import type { GrpcStream } from "../grpc/client-call.ts";
import type { GrpcClient } from "../grpc/client.ts";
import type { GrpcStatus } from "../grpc/status.ts";
import { create, decode, encode } from "../proto/registry.ts";
import { textWithPath } from "../proto/within.ts";
import { JitteredBackoff } from "./backoff.ts";
import type { Node, Resource, ResourceDecoder, Watch, WatchHandler } from "./source.ts";
import { SotwSubscription, type SotwRequest } from "./subscription.ts";
import { XDS_ORDER, xdsTypeOf, type XdsKind, type XdsType, XDS_TYPES } from "./types.ts";

/** First and longest waiting time before a stream is opened again, in milliseconds. */
const RETRY_BASE = 500;
const RETRY_MAX = 30_000;
/**
 * Attempts right after the start, and the longest and shortest time between them in milliseconds: a control plane that
 * is started together with its proxies is up within a second, and none of them should then be half a back-off late.
 */
const QUICK_ATTEMPTS = 20;
const QUICK_MIN = 50;
const QUICK_MAX = 100;
/** google.rpc.Code.INTERNAL: what Envoy's error_detail carries. */
const INTERNAL = 13;

export interface AdsClientOptions {
  /** gRPC path: the aggregated stream's, or one type's. */
  readonly path: string;
  readonly node: Node;
  /** The servers, tried in turn; at least one. */
  readonly servers: readonly GrpcClient[];
  readonly clock: Clock;
  random(): number;
  readonly decode: ResourceDecoder;
  /** The stream stands (a response came) or broke. `detail` says why it broke. */
  onState(connected: boolean, detail: string): void;
}

interface TypeState {
  readonly type: XdsType;
  readonly subscription: SotwSubscription;
  /** By the name of the resource that they want; undefined = all. */
  readonly watches: Map<string | undefined, Set<WatchHandler>>;
}

/**
 * One state-of-the-world stream that carries any number of types. Names that watches add while a response is handled
 * go out in one request per type, before the response is acknowledged.
 */
export class AdsClient {
  readonly #options: AdsClientOptions;
  readonly #types = new Map<XdsKind, TypeState>();
  readonly #dirty = new Map<XdsKind, "names" | "again">();
  readonly #backoff: JitteredBackoff;
  /** Types that say nothing for now, with the newest thing that they would have said. */
  readonly #paused = new Map<XdsKind, SotwRequest | undefined>();
  #stream: GrpcStream | undefined;
  #cancelRetry: (() => void) | undefined;
  #started = false;
  #closed = false;
  #handling = false;
  #scheduled = false;
  #attempts = 0;
  #quickLeft = QUICK_ATTEMPTS;

  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#backoff = new JitteredBackoff(RETRY_BASE, RETRY_MAX, () => options.random());
  }

  /** Asks for one resource, or for all of a type. The stream is opened at the first watch. */
  watch(kind: XdsKind, name: string | undefined, handler: WatchHandler): Watch {
    let state = this.#types.get(kind);
    if (state === undefined) {
      const type = XDS_TYPES[kind];
      state = { type, subscription: new SotwSubscription(name === undefined), watches: new Map() };
      this.#types.set(kind, state);
      if (this.#stream !== undefined) state.subscription.opened();
    }
    const { watches } = state;
    const known = watches.get(name);
    const handlers = known ?? new Set();
    if (known === undefined) watches.set(name, handlers);
    handlers.add(handler);
    this.#touch(kind, known === undefined ? "names" : "again");
    if (!this.#started) {
      this.#started = true;
      queueMicrotask(() => this.#open());
    }
    return {
      close: () => {
        if (!handlers.delete(handler)) return;
        if (handlers.size === 0 && watches.get(name) === handlers) watches.delete(name);
        this.#touch(kind, "names");
      },
    };
  }

  /** Keeps requests and acknowledgements of a type back. What comes for it is taken over all the same. */
  pause(kind: XdsKind): void {
    if (!this.#paused.has(kind)) this.#paused.set(kind, undefined);
  }

  /** Sends the newest of what was kept back. */
  resume(kind: XdsKind): void {
    const held = this.#paused.get(kind);
    this.#paused.delete(kind);
    if (held !== undefined) this.#send(XDS_TYPES[kind], held);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#stream?.cancel();
  }

  #touch(kind: XdsKind, what: "names" | "again"): void {
    if (this.#dirty.get(kind) !== "names") this.#dirty.set(kind, what);
    if (this.#handling || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#handling) this.#flush();
    });
  }

  /** Sends what changed, types in the order in which they depend on each other. */
  #flush(): void {
    for (const kind of XDS_ORDER) {
      const what = this.#dirty.get(kind);
      if (what === undefined) continue;
      this.#dirty.delete(kind);
      const state = this.#types.get(kind)!;
      const { subscription } = state;
      const request =
        subscription.want(namesOf(state)) ?? (what === "again" ? subscription.again() : undefined);
      if (request !== undefined) this.#attempt(state, request);
    }
  }

  #open(): void {
    if (this.#closed) return;
    const { servers, path } = this.#options;
    const attempt = ++this.#attempts;
    let broken = false;
    const stream: GrpcStream = servers[attempt % servers.length]!.open(path, {
      onMessage: (message) => this.#onMessage(stream, message),
      onEnd: (status) => {
        broken = true;
        this.#onEnd(status);
      },
    });
    // There may be no such cluster, or none of its hosts may be fit.
    if (broken) return;
    this.#stream = stream;
    this.#scheduled = false;
    for (const kind of XDS_ORDER) {
      const state = this.#types.get(kind);
      if (state === undefined) continue;
      // Names that were not sent yet are part of the first request.
      this.#dirty.delete(kind);
      state.subscription.want(namesOf(state));
      const request = state.subscription.opened();
      if (request !== undefined) this.#attempt(state, request);
    }
  }

  #attempt(state: TypeState, request: SotwRequest): void {
    for (const handler of handlersOf(state)) handler.onAttempt();
    this.#send(state.type, request);
  }

  #send(type: XdsType, request: SotwRequest): void {
    if (this.#paused.has(type.kind)) {
      this.#paused.set(type.kind, request);
      return;
    }
    const message = create("envoy.service.discovery.v3.DiscoveryRequest", {
      versionInfo: request.version,
      node: this.#options.node,
      resourceNames: [...request.names],
      typeUrl: type.typeUrl,
      responseNonce: request.nonce,
      ...(request.error === undefined ? {} : { errorDetail: { code: INTERNAL, message: request.error } }),
    });
    this.#stream?.send(encode("envoy.service.discovery.v3.DiscoveryRequest", message));
  }

  #onMessage(stream: GrpcStream, bytes: Buffer): void {
    if (this.#stream !== stream) return;
    const response = decode("envoy.service.discovery.v3.DiscoveryResponse", bytes);
    const kind = xdsTypeOf(response.typeUrl)?.kind;
    const state = kind === undefined ? undefined : this.#types.get(kind);
    // A type nobody asked for, or asks for any longer.
    if (state === undefined || !state.subscription.active) return;
    this.#backoff.reset();
    this.#quickLeft = 0;
    this.#options.onState(true, "");
    this.#handling = true;
    const error = this.#dispatch(state, response.versionInfo, response.resources);
    this.#handling = false;
    const { subscription } = state;
    this.#flush();
    if (error === undefined)
      this.#send(state.type, subscription.accept(response.versionInfo, response.nonce));
    else this.#send(state.type, subscription.reject(response.nonce, error));
  }

  /** Returns why the response is refused, if it is. */
  #dispatch(state: TypeState, version: string, packed: Parameters<ResourceDecoder>[1]): string | undefined {
    let resources: Resource[];
    try {
      resources = this.#options.decode(state.type, packed);
    } catch (error) {
      const detail = (error as Error).message;
      for (const handler of handlersOf(state)) handler.onFailure("rejected", detail);
      return detail;
    }
    let refused: string | undefined;
    const tell = (handlers: ReadonlySet<WatchHandler>, own: readonly Resource[]): void => {
      // Handlers may open and close watches.
      for (const handler of Array.from(handlers)) {
        try {
          handler.onResources(own, version);
        } catch (error) {
          const detail = textWithPath(error as Error);
          refused ??= detail;
          handler.onFailure("rejected", detail);
        }
      }
    };
    const all = state.watches.get(undefined);
    if (all !== undefined) tell(all, resources);
    for (const [name, own] of Map.groupBy(resources, (resource) => resource.name)) {
      const handlers = state.watches.get(name);
      if (handlers !== undefined) tell(handlers, own);
    }
    return refused;
  }

  #onEnd(status: GrpcStatus): void {
    this.#broke(`${status.code}, ${status.message}`);
  }

  #broke(detail: string): void {
    if (this.#closed) return;
    this.#stream = undefined;
    // A new stream begins with requests of its own.
    for (const kind of this.#paused.keys()) this.#paused.set(kind, undefined);
    this.#options.onState(false, detail);
    for (const state of this.#types.values()) {
      state.subscription.closed();
      for (const handler of handlersOf(state)) handler.onFailure("connection", detail);
    }
    this.#cancelRetry = this.#options.clock.after(this.#pause(), () => this.#open());
  }

  #pause(): number {
    if (this.#quickLeft === 0) return this.#backoff.next();
    this.#quickLeft--;
    return QUICK_MIN + this.#options.random() * (QUICK_MAX - QUICK_MIN);
  }
}

function namesOf({ watches }: TypeState): string[] {
  return [...watches.keys()].filter((name) => name !== undefined);
}

function handlersOf({ watches }: TypeState): WatchHandler[] {
  return [...watches.values()].flatMap((handlers) => [...handlers]);
}
