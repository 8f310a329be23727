import type { Counter, StatStore } from "../../../stats/stat-store.ts";

interface VersionCounters {
  readonly found: Counter;
  readonly disallowed: Counter;
  readonly error: Counter;
}

/** Handles of the "proxy_proto.<stat_prefix>." stats. */
export class ProxyProtocolStats {
  readonly notFoundAllowed: Counter;
  readonly notFoundDisallowed: Counter;
  readonly versions: Readonly<Record<1 | 2, VersionCounters>>;
  /** Connections refused by all filters of this kind. */
  readonly anyError: Counter;

  constructor(stats: StatStore, prefix: string) {
    const scope = stats.scope(prefix === "" ? "proxy_proto." : `proxy_proto.${prefix}.`);
    const version = (name: string): VersionCounters => ({
      found: scope.counter(`versions.${name}.found`),
      disallowed: scope.counter(`versions.${name}.disallowed`),
      error: scope.counter(`versions.${name}.error`),
    });
    this.notFoundAllowed = scope.counter("not_found_allowed");
    this.notFoundDisallowed = scope.counter("not_found_disallowed");
    this.versions = { 1: version("v1"), 2: version("v2") };
    this.anyError = stats.counter("downstream_cx_proxy_proto_error");
  }
}
