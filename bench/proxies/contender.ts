import type { Upstream } from "./upstream.ts";

/** A running proxy. */
export interface Contender {
  name: string;
  /** Where it listens on 127.0.0.1. */
  port: number;
  /** Process whose threads (and children) do the work. */
  pid: number;
  /** Wall time from start to ready to serve, in milliseconds. */
  startMs: number;
  /** Watched file with clusters, if its work has one. */
  clusterFile: string;
  stop(): Promise<void>;
}

/** Where contenders run. */
export interface Site {
  upstream: Upstream;
  /** Core of the proxies. */
  core: number;
  /** For configuration and logs. */
  folder: string;
  /** Certificate chain and key in PEM, apart and together. */
  tls: { cert: string; key: string; both: string };
  /** The launcher of "base"; "" without one. */
  base: string;
  /** Flags of Node for Weft, as those of a profiler. */
  nodeArgs: readonly string[];
}
