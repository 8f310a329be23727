import type { ConnectionHandler } from "../../net/connection.ts";
import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import type {
  NetworkFilterContext,
  NetworkFilterFactory,
  PassingFilterFactory,
  TerminalFilterFactory,
} from "../api.ts";
import { FilteredConnection } from "./filtered-connection.ts";

type FilterConfig = Messages["envoy.config.listener.v3.Filter"];

/**
 * The filters of a chain as one: without any before it, the terminal filter itself. Refuses unknown filters and chains
 * that do not end in a terminal filter, with Envoy's texts.
 */
export function createNetworkChain(
  list: readonly FilterConfig[],
  context: NetworkFilterContext,
): TerminalFilterFactory {
  const filters: PassingFilterFactory[] = [];
  for (const [i, config] of list.entries()) {
    const { factory, type } = within(["filters", i], () => createFilter(config, context));
    const last = i === list.length - 1;
    if ("accept" in factory) {
      if (last) return chainOf(filters, factory, context.perConnectionBufferLimit);
      throw new Error(
        `Error: terminal filter named ${config.name} of type ${type} must be the last filter in a network filter chain.`,
      );
    }
    if (last)
      throw new Error(
        `Error: non-terminal filter named ${config.name} of type ${type} is the last filter in a network filter chain.`,
      );
    filters.push(factory);
  }
  return chainOf(filters, NO_FILTERS, context.perConnectionBufferLimit);
}

function createFilter(
  config: FilterConfig,
  context: NetworkFilterContext,
): { readonly factory: NetworkFilterFactory; readonly type: string } {
  if (config.configType.case !== "typedConfig")
    throw new Error(`filter '${config.name}': typed_config must be set`);
  const any = config.configType.value;
  const type = configTypeName(any);
  const def = context.extensions.network.find((each) => each.config === type);
  if (def === undefined)
    throw new Error(`Didn't find a registered implementation for '${config.name}' with type URL: '${type}'`);
  const factory = within(["typed_config"], () => def.create(unpackAs(any, def.config) as never, context));
  return { factory, type: def.name };
}

/** A chain without filters closes connections at once, as in Envoy. */
const NO_FILTERS: TerminalFilterFactory = {
  accept({ connection }) {
    connection.close();
    return IDLE_HANDLER;
  },
  drain() {},
  close() {},
};

const IDLE_HANDLER: ConnectionHandler = {
  onConnect() {},
  onBytes() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
};

function chainOf(
  filters: readonly PassingFilterFactory[],
  terminal: TerminalFilterFactory,
  bufferLimit: number,
): TerminalFilterFactory {
  if (filters.length === 0) return terminal;
  return {
    accept: (downstream) => new FilteredConnection(downstream, filters, terminal, bufferLimit).begin(),
    drain: (closeIdle) => terminal.drain(closeIdle),
    close: () => terminal.close(),
    ...(terminal.protocols !== undefined && { protocols: terminal.protocols }),
  };
}
