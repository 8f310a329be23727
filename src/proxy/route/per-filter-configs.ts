import type { Any } from "@bufbuild/protobuf/wkt";
import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { HttpFilterDef } from "../api.ts";
import type { RouteCompileContext } from "./route-compile-context.ts";

const FILTER_CONFIG = "envoy.config.route.v3.FilterConfig";

interface Entry {
  readonly config: unknown;
  readonly disabled: boolean;
}

/** The `typed_per_filter_config` that holds at one place, less specific levels included. */
export class PerFilterConfigs {
  readonly #entries: ReadonlyMap<string, Entry>;

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  config(filterName: string): unknown {
    return this.#entries.get(filterName)?.config;
  }

  disabled(filterName: string): boolean {
    return this.#entries.get(filterName)?.disabled === true;
  }

  /** This level's entries over those of `parent`; `parent` itself when this level says nothing. */
  static extend(
    parent: PerFilterConfigs,
    configs: { readonly [name: string]: Any },
    context: RouteCompileContext,
  ): PerFilterConfigs {
    const names = Object.keys(configs);
    if (names.length === 0) return parent;
    const entries = new Map(parent.#entries);
    for (const name of names) {
      const entry = compileEntry(name, configs[name]!, parent.config(name), context);
      if (entry !== undefined) entries.set(name, entry);
    }
    return new PerFilterConfigs(entries);
  }
}

export const noPerFilterConfigs: PerFilterConfigs = new PerFilterConfigs(new Map());

/** Undefined for an optional configuration of a filter that we do not have. */
function compileEntry(
  name: string,
  any: Any,
  parent: unknown,
  context: RouteCompileContext,
): Entry | undefined {
  const typeName = configTypeName(any);
  if (typeName !== FILTER_CONFIG)
    return { config: createConfig(name, any, typeName, parent, context), disabled: false };
  const wrapper = unpackAs(any, FILTER_CONFIG);
  if (wrapper.disabled) return { config: undefined, disabled: true };
  if (wrapper.config === undefined)
    throw new Error(`Empty route/virtual host per filter configuration for ${name} filter`);
  const inner = configTypeName(wrapper.config);
  if (wrapper.isOptional && find(name, inner, context) === undefined) return undefined;
  return { config: createConfig(name, wrapper.config, inner, parent, context), disabled: false };
}

function createConfig(
  name: string,
  any: Any,
  typeName: string,
  parent: unknown,
  context: RouteCompileContext,
): unknown {
  const def = find(name, typeName, context);
  if (def === undefined)
    throw new Error(`Didn't find a registered implementation for '${name}' with type URL: '${typeName}'`);
  if (def.perRoute === undefined || def.createPerRoute === undefined)
    throw new Error(`The filter ${name} doesn't support virtual host or route specific configurations`);
  const message = unpackAs(any, def.perRoute) as Messages[keyof Messages];
  const own = def.createPerRoute(message, context.factory);
  return parent === undefined || def.mergePerRoute === undefined ? own : def.mergePerRoute(parent, own);
}

/** By the type of its per-route or main configuration, else by name, as Envoy finds filters. */
function find(name: string, typeName: string, context: RouteCompileContext): HttpFilterDef | undefined {
  const filters = context.extensions.http;
  return (
    filters.find((def) => def.perRoute === typeName) ??
    filters.find((def) => def.config === typeName) ??
    filters.find((def) => def.name === name && typeName === "google.protobuf.Struct")
  );
}
