import { configTypeName, create, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { originalDestinationProblem } from "../../net/original-destination.ts";
import { durationMs } from "../../proto/duration.ts";
import { within } from "../../proto/within.ts";
import type {
  ListenerFacts,
  ListenerFilter,
  NetworkFilterContext,
  TerminalFilterFactory,
  ServerTransport,
} from "../api.ts";
import type { ConnectionInfo } from "../stream-info.ts";
import { findTransportSocket } from "../transport-sockets.ts";
import { filterChainKey } from "./filter-chain-update.ts";
import { compileFilterChainMatch, findFilterChain, type CompiledMatch } from "./filter-chain-match.ts";
import { ConnectionLog } from "./connection-log.ts";
import { createNetworkChain } from "./network-chain.ts";

type Listener = Messages["envoy.config.listener.v3.Listener"];
type ChainConfig = Messages["envoy.config.listener.v3.FilterChain"];

/** How connections that fit are served. Versions of a listener share chains that are the same. */
export interface Chain {
  readonly key: string;
  readonly name: string;
  readonly match: CompiledMatch;
  readonly factory: TerminalFilterFactory;
  /** Undefined = plaintext. */
  readonly transport: ServerTransport | undefined;
}

const ORIGINAL_DST = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
/** Default of listener_filters_timeout, milliseconds. */
const FILTERS_TIMEOUT = 15_000;

/** The filter chains of one version of a listener. */
export class FilterChains {
  readonly #chains: readonly Chain[];
  readonly #default: Chain | undefined;
  /** Look at a connection's first bytes, in this order. */
  readonly filters: readonly ListenerFilter[];
  /** Access logs of the listener itself, if it has any. */
  readonly log: ConnectionLog | undefined;
  /** Connections that were redirected here go to the listener of their original destination, if there is one. */
  readonly handsOff: boolean;
  /** Milliseconds that `filters` may take; 0 = no limit. */
  readonly filtersTimeout: number;
  /** When they take longer, go on without them. */
  readonly continueOnTimeout: boolean;

  /**
   * Refuses with Envoy's texts. Nothing is opened before a connection is accepted.
   * @param before a version that differs in its chains only, to take over what did not change
   */
  constructor(listener: Listener, context: NetworkFilterContext, before?: FilterChains) {
    if (listener.filterChains.length === 0 && listener.defaultFilterChain === undefined)
      throw new Error(`error adding listener '${listener.name}': no filter chains specified`);
    const problem = listener.transparent === true ? originalDestinationProblem() : undefined;
    if (problem !== undefined)
      throw new Error(
        `error adding listener '${listener.name}': transparent is not possible here: ${problem}`,
      );
    const logs = listener.accessLog.length > 0;
    this.log = before?.log ?? (logs ? new ConnectionLog(listener.accessLog, context) : undefined);
    this.handsOff = listener.useOriginalDst ?? false;
    this.filters = before?.filters ?? listenerFilters(listener, context);
    this.filtersTimeout = durationMs(listener.listenerFiltersTimeout, FILTERS_TIMEOUT);
    this.continueOnTimeout = listener.continueOnListenerFiltersTimeout;
    const known = new Map(before?.all.map((chain) => [chain.key, chain]));
    const chainOf = (config: ChainConfig): Chain => {
      const key = filterChainKey(config);
      return known.get(key) ?? createChain(key, config, context);
    };
    const seen = new Map<string, string>();
    this.#chains = listener.filterChains.map((config, i) => {
      const chain = within(["filter_chains", i], () => chainOf(config));
      const twin = seen.get(chain.match.key);
      if (twin !== undefined) {
        throw new Error(
          `error adding listener '${listener.name}': filter chain '${config.name}' has the same matching rules defined as '${twin}'`,
        );
      }
      seen.set(chain.match.key, config.name);
      return chain;
    });
    const fallback = listener.defaultFilterChain;
    this.#default =
      fallback === undefined ? undefined : within(["default_filter_chain"], () => chainOf(fallback));
  }

  /** Every chain, the default one included. */
  get all(): readonly Chain[] {
    return this.#default === undefined ? this.#chains : [...this.#chains, this.#default];
  }

  find(info: ConnectionInfo, found: ListenerFacts): Chain | undefined {
    return findFilterChain(this.#chains, info, found) ?? this.#default;
  }

  /** See TerminalFilterFactory.drain. */
  drain(closeIdle: boolean): void {
    for (const chain of this.all) chain.factory.drain(closeIdle);
  }

  close(): void {
    this.log?.close();
    for (const chain of this.all) closeChain(chain);
  }
}

/** To be called when the last connection of a chain is gone. */
export function closeChain({ factory, transport }: Chain): void {
  factory.close();
  transport?.close();
}

function createChain(key: string, config: ChainConfig, context: NetworkFilterContext): Chain {
  const factory = createNetworkChain(config.filters, context);
  return {
    key,
    name: config.name,
    match: compileFilterChainMatch(config.filterChainMatch),
    factory,
    transport: createTransport(config, factory, context),
  };
}

function createTransport(
  config: ChainConfig,
  factory: TerminalFilterFactory,
  context: NetworkFilterContext,
): ServerTransport | undefined {
  const found = findTransportSocket(config.transportSocket, context.extensions, "createServer");
  return found?.def.createServer?.(found.message as never, {
    clock: context.clock,
    logger: (component) => context.logger(component),
    workerIndex: context.workerIndex,
    secrets: context.secrets,
    ...(context.processSecret !== undefined && { processSecret: context.processSecret }),
    scope: context.listenerScope,
    protocols: factory.protocols,
    connectTimeout: durationMs(config.transportSocketConnectTimeout, 0),
  });
}

/** The listener's own filters, and one that finds original destinations where use_original_dst asks for that. */
function listenerFilters(listener: Listener, context: NetworkFilterContext): ListenerFilter[] {
  const filters = listener.listenerFilters.map((config) => createListenerFilter(config, context));
  const given = listener.listenerFilters.some(
    ({ configType }) =>
      configType.case === "typedConfig" && configTypeName(configType.value) === ORIGINAL_DST,
  );
  if (!(listener.useOriginalDst ?? false) || given) return filters;
  const def = context.extensions.listenerFilters?.find((each) => each.config === ORIGINAL_DST);
  if (def === undefined)
    throw new Error(`error adding listener '${listener.name}': use_original_dst needs ${ORIGINAL_DST}`);
  return [...filters, def.create(create(ORIGINAL_DST) as never, context)];
}

function createListenerFilter(
  config: Listener["listenerFilters"][number],
  context: NetworkFilterContext,
): ListenerFilter {
  if (config.configType.case !== "typedConfig")
    throw new Error(`listener filter '${config.name}': typed_config must be set`);
  const any = config.configType.value;
  const type = configTypeName(any);
  const def = context.extensions.listenerFilters?.find((each) => each.config === type);
  if (def === undefined)
    throw new Error(`Didn't find a registered implementation for '${config.name}' with type URL: '${type}'`);
  return def.create(unpackAs(any, def.config) as never, context);
}
