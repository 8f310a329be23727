import { extensions } from "../extensions/index.ts";
import { fromJson } from "../proto/registry.ts";
import { compileRouteTable, type RouteTable } from "../proxy/route/route-table.ts";
import { HeaderMap } from "../http/header-map.ts";
import { TestClusters } from "./test-clusters.ts";

type Json = Parameters<typeof fromJson>[1];

/** Compiles a route configuration given as protobuf JSON. */
export function compileRoutes(config: Json): RouteTable {
  const message = fromJson("envoy.config.route.v3.RouteConfiguration", config);
  return compileRouteTable(message, { extensions, factory: new TestClusters().factory });
}

/** Compiles routes of one virtual host for all domains. */
export function compileRouteList(routes: Json): RouteTable {
  return compileRoutes({ name: "rc", virtual_hosts: [{ name: "v", domains: ["*"], routes }] });
}

/** The head of a GET request over plain HTTP. */
export function requestHead(
  path: string,
  fields: Iterable<readonly [string, string]> = [],
  authority = "example.com",
): HeaderMap {
  const headers = HeaderMap.of(fields);
  headers.method = "GET";
  headers.path = path;
  headers.authority = authority;
  headers.scheme = "http";
  if (!headers.has("x-forwarded-proto")) headers.add("x-forwarded-proto", "http");
  return headers;
}
