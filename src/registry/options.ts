import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";
import type { EtcdOptions } from "../etcd/etcd-client.ts";

/** Everything `weft registry` can be told; `registryDefaults` has the rest. */
export interface RegistryOptions {
  /** SQLite file; made when missing. `:memory:` keeps nothing. Not used with `etcd`. */
  readonly path: string;
  /** Keep everything in etcd instead, for registries that are several. */
  readonly etcd?: {
    readonly urls: readonly string[];
    /** What all keys begin with. */
    readonly prefix: string;
    readonly etcd: EtcdOptions;
  };
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port?: number;
  /** Lease of an instance that asks for none. */
  readonly leaseSeconds?: number;
  /** Lease of instances registered through lyft/discovery's calls, whose clients renew less often. */
  readonly lyftLeaseSeconds?: number;
  /** The `env` in lyft/discovery's replies. */
  readonly lyftEnv?: string;
  /** How long expired and deregistered instances are kept, with the reason. */
  readonly retentionSeconds?: number;
  /** Whether reads need a token, too, once one is configured. */
  readonly readTokens?: boolean;
  /** Largest request body in bytes. */
  readonly bodyLimit?: number;
  readonly logLevel?: string;
  /** Instead of a logger to standard output. */
  readonly log?: Logger;
  readonly clock?: Clock;
}

export const registryDefaults = {
  host: "127.0.0.1",
  port: 8500,
  leaseSeconds: 30,
  lyftLeaseSeconds: 600,
  lyftEnv: "development",
  retentionSeconds: 600,
  readTokens: false,
  bodyLimit: 65_536,
  logLevel: "info",
} as const satisfies Omit<RegistryOptions, "path">;
