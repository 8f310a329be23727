/** "base" is Weft from another checkout, to compare changes with. */
export type ProxyName = "weft" | "base" | "envoy" | "haproxy" | "nginx";

export const ALL: readonly ProxyName[] = ["weft", "envoy", "haproxy", "nginx"];

/** What every contender of a case is told to do. */
export interface Work {
  /** HTTP/1.1 or HTTP/2 with prior knowledge on plain TCP; or TLS, where ALPN decides. */
  client: "h1" | "h2c" | "tls";
  upstream: "h1" | "h2c";
  accessLog: boolean;
  /** With one, "/" goes to the upstream; with more, "/route/0/", "/route/1/" and so on. */
  routes: number;
  /** Clusters are also taken from the file `Contender.clusterFile`. */
  watchesClusters: boolean;
}

/** Plain HTTP/1.1 on both sides, one route, no access log, unless the changes say otherwise. */
export function work(changes: Partial<Work> = {}): Work {
  return { client: "h1", upstream: "h1", accessLog: false, routes: 1, watchesClusters: false, ...changes };
}

/** Prefix of the last route of a table. */
export function lastRoute(routes: number): string {
  return routes === 1 ? "/" : `/route/${routes - 1}/`;
}
