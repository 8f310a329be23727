import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { NetworkFilterContext, NetworkFilterFactory } from "../api.ts";
import type { ConnectionInfo } from "../stream-info.ts";
import { compileFilterChainMatch, findFilterChain, type CompiledMatch } from "./filter-chain-match.ts";

type Listener = Messages["envoy.config.listener.v3.Listener"];
type ChainConfig = Messages["envoy.config.listener.v3.FilterChain"];

interface Chain {
  readonly name: string;
  readonly match: CompiledMatch;
  readonly factory: NetworkFilterFactory;
}

/** The filter chains of one version of a listener. */
export class FilterChains {
  readonly #chains: readonly Chain[];
  readonly #default: Chain | undefined;

  /** Refuses with Envoy's texts. Nothing is opened before a connection is accepted. */
  constructor(listener: Listener, context: NetworkFilterContext) {
    if (listener.filterChains.length === 0 && listener.defaultFilterChain === undefined)
      throw new Error(`error adding listener '${listener.name}': no filter chains specified`);
    const seen = new Map<string, string>();
    this.#chains = listener.filterChains.map((config) => {
      const chain = createChain(config, context);
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
    this.#default = fallback === undefined ? undefined : createChain(fallback, context);
  }

  find(info: ConnectionInfo): Chain | undefined {
    return findFilterChain(this.#chains, info) ?? this.#default;
  }

  /** See NetworkFilterFactory.drain. */
  drain(closeIdle: boolean): void {
    for (const chain of this.#all()) chain.factory.drain(closeIdle);
  }

  close(): void {
    for (const chain of this.#all()) chain.factory.close();
  }

  #all(): Chain[] {
    return this.#default === undefined ? [...this.#chains] : [...this.#chains, this.#default];
  }
}

function createChain(config: ChainConfig, context: NetworkFilterContext): Chain {
  if (config.transportSocket !== undefined)
    throw new Error(
      `filter chain '${config.name}': transport_socket "${config.transportSocket.name}" is not supported`,
    );
  const [filter, ...more] = config.filters;
  if (filter === undefined || more.length > 0)
    throw new Error(
      `filter chain '${config.name}': exactly one network filter is supported, not ${config.filters.length}`,
    );
  if (filter.configType.case !== "typedConfig")
    throw new Error(`filter '${filter.name}': typed_config must be set`);
  const any = filter.configType.value;
  const type = configTypeName(any);
  const def = context.extensions.network.find((each) => each.config === type);
  if (def === undefined)
    throw new Error(`Didn't find a registered implementation for '${filter.name}' with type URL: '${type}'`);
  const factory = def.create(unpackAs(any, def.config) as never, context);
  return { name: config.name, match: compileFilterChainMatch(config.filterChainMatch), factory };
}
