import type { JsonValue } from "@bufbuild/protobuf";
import type { Ledger } from "../../proto/ledger.ts";
import { fromJson, toJson } from "../../proto/registry.ts";
import { reportUnsupported, type Unsupported } from "../../proto/unsupported.ts";
import type { ResourceTypeName } from "../xds/resource-type.ts";

/**
 * Without these a resource would do something else than it says: let in whom it should not, or take requests that are not
 * meant. They stay; the proxy refuses the resource and says why.
 */
const NEVER_LEFT_OUT =
  /(^|\.)match(\.|$)|transport_socket|filter_chain_match|ext_authz|rbac|http_filters|\.filters\[/;

interface Fitted {
  readonly source: string;
  readonly json: JsonValue;
  readonly leftOut: readonly string[];
}

/**
 * Fits resources to what `weft proxy` implements. What it does not is left out, unless that would be unsafe, and told: as
 * the proxy grows its ledger, less is left out.
 */
export class WeftLimits {
  readonly #ledgers: readonly Ledger[];
  readonly #onLeftOut: (text: string) => void;
  readonly #fitted = new Map<string, Fitted>();
  readonly #told = new Set<string>();

  /** @param onLeftOut told once of each resource and field: `health_checks of cluster users` */
  constructor(ledgers: readonly Ledger[], onLeftOut: (text: string) => void) {
    this.#ledgers = ledgers;
    this.#onLeftOut = onLeftOut;
  }

  /** What Weft proxies do without, for as long as the policy asks for it. */
  get leftOut(): string[] {
    return [...this.#fitted.values()].flatMap(({ leftOut }) => leftOut);
  }

  /** @param view what was fitted for a view is kept; leave it out for what one node alone has */
  fit(type: ResourceTypeName, name: string, json: JsonValue, view?: string): JsonValue {
    // Endpoints are all fields that it knows, and the one type that changes often.
    if (type === "envoy.config.endpoint.v3.ClusterLoadAssignment") return json;
    if (view === undefined) return this.#leaveOut(type, name, json).json;
    const key = `${view} ${type} ${name}`;
    const source = JSON.stringify(json);
    let fitted = this.#fitted.get(key);
    if (fitted?.source !== source) {
      fitted = { source, ...this.#leaveOut(type, name, json) };
      this.#fitted.set(key, fitted);
    }
    return fitted.json;
  }

  #leaveOut(type: ResourceTypeName, name: string, json: JsonValue): Omit<Fitted, "source"> {
    const message = fromJson(type, json);
    const found = reportUnsupported(message, this.#ledgers).filter(({ path }) => !NEVER_LEFT_OUT.test(path));
    if (found.length === 0) return { json, leftOut: [] };
    const fitted = structuredClone(toJson(type, message));
    // From the end, so that the places of list elements stay what they are.
    for (const each of found.toReversed()) remove(fitted, each);
    const leftOut = found.map(({ path }) => `${path} of ${type.split(".").at(-1)} ${name}`);
    for (const text of leftOut) {
      if (this.#told.has(text)) continue;
      this.#told.add(text);
      this.#onLeftOut(text);
    }
    return { json: fitted, leftOut };
  }
}

function remove(root: JsonValue, { parts }: Unsupported): void {
  let at = root as Record<string | number, JsonValue>;
  for (const part of parts.slice(0, -1)) {
    const next = at[typeof part === "object" ? part.key : part];
    if (next === undefined || next === null) return;
    at = next as typeof at;
  }
  const last = parts.at(-1)!;
  if (Array.isArray(at) && typeof last === "number") at.splice(last, 1);
  else delete at[typeof last === "object" ? last.key : last];
}
