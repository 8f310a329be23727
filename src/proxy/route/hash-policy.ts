import { xxHash64 } from "../../base/xxhash64.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { only, type Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { StreamInfo } from "../api.ts";
import { queryParameter } from "../matcher/query-parameter-matcher.ts";

type Config = Messages["envoy.config.route.v3.RouteAction.HashPolicy"];

/** Hash of a request, by which consistent balancers choose; undefined = nothing to hash. */
export type HashPolicy = (headers: HeaderMap, info: StreamInfo) => bigint | undefined;

type Source = (headers: HeaderMap, info: StreamInfo) => readonly string[] | undefined;

export const hashPolicyLedger: Ledger = {
  "envoy.config.route.v3.RouteAction.HashPolicy": [
    "header",
    "cookie",
    "connection_properties",
    "query_parameter",
    "terminal",
  ],
  "envoy.config.route.v3.RouteAction.HashPolicy.Header": ["header_name"],
  "envoy.config.route.v3.RouteAction.HashPolicy.Cookie": ["name"],
  "envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties": [only("source_ip", "true")],
  "envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter": "all",
};

/** Each policy's hash is mixed into that of those before it; a terminal one that found something ends the list. */
export function compileHashPolicy(list: readonly Config[]): HashPolicy | undefined {
  if (list.length === 0) return undefined;
  const parts = list.map((config) => ({ source: sourceOf(config), terminal: config.terminal }));
  return (headers, info) => {
    let hash: bigint | undefined;
    for (const { source, terminal } of parts) {
      const values = source(headers, info);
      if (values !== undefined) {
        const next = values.reduce((seed, value) => xxHash64(Buffer.from(value, "latin1"), seed), 0n);
        hash = hash === undefined ? next : BigInt.asUintN(64, (hash << 1n) | (hash >> 63n)) ^ next;
      }
      if (terminal && hash !== undefined) break;
    }
    return hash;
  };
}

function sourceOf({ policySpecifier: { case: kind, value } }: Config): Source {
  switch (kind) {
    case "header": {
      const name = value.headerName.toLowerCase();
      return (headers) => {
        const values = headers.getAll(name);
        return values.length === 0 ? undefined : values.sort();
      };
    }
    case "cookie":
      return (headers) => filled(cookie(headers, value.name));
    case "queryParameter":
      return (headers) => {
        const found = queryParameter(headers.path, value.name);
        return found === undefined ? undefined : [found];
      };
    case "connectionProperties":
      return (_headers, info) => filled(info.connection.remoteIp);
    default:
      throw new Error(
        "hash_policy: only header, cookie, query_parameter and connection_properties are supported",
      );
  }
}

function filled(value: string | undefined): readonly string[] | undefined {
  return value === undefined || value === "" ? undefined : [value];
}

function cookie(headers: HeaderMap, name: string): string | undefined {
  for (const line of headers.getAll("cookie"))
    for (const pair of line.split(";")) {
      const equals = pair.indexOf("=");
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
      const value = pair.slice(equals + 1).trim();
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  return undefined;
}
