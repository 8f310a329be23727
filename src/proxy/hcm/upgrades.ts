import type { Messages } from "../../proto/messages.d.ts";
import type { StatScope } from "../../stats/stat-store.ts";
import type { NetworkFilterContext, Route } from "../api.ts";
import { compileFilters } from "./filters.ts";
import type { FilterEntry } from "./hcm-config.ts";

type UpgradeConfig =
  Messages["envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig"];

interface Upgrade {
  readonly enabled: boolean;
  /** Undefined = the filters of all other requests. */
  readonly filters: readonly FilterEntry[] | undefined;
}

/** The protocols that requests may change to: values of Upgrade, and CONNECT. */
export class Upgrades {
  readonly #byType = new Map<string, Upgrade>();

  /** Refuses a type that is named twice. */
  constructor(list: readonly UpgradeConfig[], scope: StatScope, context: NetworkFilterContext) {
    for (const { upgradeType, enabled, filters } of list) {
      const type = upgradeType.toLowerCase();
      if (this.#byType.has(type))
        throw new Error(`Error: multiple upgrade configs with the same name: '${upgradeType}'`);
      this.#byType.set(type, {
        enabled: enabled ?? true,
        filters: filters.length === 0 ? undefined : compileFilters(filters, scope, context),
      });
    }
  }

  /** Whether a request may change to `type`. What the route says wins. */
  allows(type: string, route: Route | undefined): boolean {
    const name = type.toLowerCase();
    return route?.upgrade?.(name) ?? this.#byType.get(name)?.enabled ?? false;
  }

  /** The filters that are only for this type, if there are any. */
  filters(type: string): readonly FilterEntry[] | undefined {
    return this.#byType.get(type.toLowerCase())?.filters;
  }
}
