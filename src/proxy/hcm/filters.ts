import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import type { StatScope } from "../../stats/stat-store.ts";
import type { HttpFilterContext, HttpFilterDef, NetworkFilterContext } from "../api.ts";
import { compileFormat } from "../formatter/format.ts";
import type { FilterEntry } from "./hcm-config.ts";

type HttpFilter = Messages["envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"];

/** Creates the filters of a chain; refuses unknown ones, and a terminal filter anywhere but at the end. */
export function compileFilters(
  list: readonly HttpFilter[],
  scope: StatScope,
  context: NetworkFilterContext,
): FilterEntry[] {
  const filterContext: HttpFilterContext = {
    ...context,
    scope,
    format: (text) => compileFormat(text, context.extensions.operators),
  };
  const entries: FilterEntry[] = [];
  for (const [i, filter] of list.entries()) {
    const last = i === list.length - 1;
    const entry = within(["http_filters", i], () =>
      compileFilter(filter, last, context.extensions.http, filterContext),
    );
    if (entry !== undefined) entries.push(entry);
  }
  if (entries.length === 0)
    throw new Error("http_filters: a connection manager needs a terminal filter, such as the router");
  return entries;
}

/** Undefined for an unknown filter that may be left out. */
function compileFilter(
  filter: HttpFilter,
  last: boolean,
  defs: readonly HttpFilterDef[],
  context: HttpFilterContext,
): FilterEntry | undefined {
  const def = findFilter(filter, defs);
  if (def === undefined) {
    if (filter.isOptional) return undefined;
    throw new Error(`Didn't find a registered implementation for '${filter.name}'${typeUrl(filter)}`);
  }
  const terminal = def.terminal === true;
  if (terminal && !last) {
    throw new Error(
      `Error: terminal filter named ${filter.name} of type ${def.name} must be the last filter in a http filter chain.`,
    );
  }
  if (!terminal && last) {
    throw new Error(
      `Error: non-terminal filter named ${filter.name} of type ${def.name} is the last filter in a http filter chain.`,
    );
  }
  const create = within(["typed_config"], () => createFilter(def, filter, context));
  return { name: filter.name, disabled: filter.disabled, create };
}

function createFilter(
  def: HttpFilterDef,
  filter: HttpFilter,
  context: HttpFilterContext,
): FilterEntry["create"] {
  const any = filter.configType.value as Parameters<typeof unpackAs>[0];
  return def.create(unpackAs(any, def.config) as never, context);
}

function findFilter(filter: HttpFilter, defs: readonly HttpFilterDef[]): HttpFilterDef | undefined {
  if (filter.configType.case === "configDiscovery")
    throw new Error(`http_filters "${filter.name}": config_discovery is not supported`);
  if (filter.configType.case === undefined) return undefined;
  const type = configTypeName(filter.configType.value);
  return defs.find((def) => def.config === type);
}

function typeUrl(filter: HttpFilter): string {
  return filter.configType.case === "typedConfig"
    ? ` with type URL: '${configTypeName(filter.configType.value)}'`
    : "";
}
