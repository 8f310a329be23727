import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";

/** Everything `weft auth` can be told; `authDefaults` has the rest. */
export interface AuthOptions {
  /** SQLite file with the opaque tokens; made when missing. */
  readonly path: string;
  readonly host?: string;
  /** Where proxies ask (ext_authz); 0 takes a free one. */
  readonly port?: number;
  /** Where proxies ask over gRPC; 0 takes a free one. */
  readonly grpcPort?: number;
  /** Where health and metrics are; apart from `port`, since there every path is a path to decide about. 0 takes a free one. */
  readonly adminPort?: number;
  /** What the proxy's `path_prefix` puts before the original path; requests without it are refused. */
  readonly pathPrefix?: string;
  /** YAML file of rules; without one every request needs an identity. */
  readonly policyPath?: string | undefined;
  /** Accept JWTs; without this only opaque tokens. */
  readonly jwt?: JwtOptions | undefined;
  /** Of WWW-Authenticate. */
  readonly realm?: string;
  /** Whether a trace that begins here is sampled. */
  readonly traceSampled?: boolean;
  readonly logLevel?: string;
  /** Instead of a logger to standard output. */
  readonly log?: Logger;
  readonly clock?: Clock;
}

export const authDefaults = {
  host: "127.0.0.1",
  port: 9191,
  adminPort: 9192,
  grpcPort: 9193,
  pathPrefix: "",
  realm: "weft",
  traceSampled: true,
  logLevel: "info",
} as const satisfies Omit<AuthOptions, "path">;

export interface JwtOptions {
  /** Key set (RFC 7517): a file's path, or an http(s) URL. */
  readonly jwks: string;
  readonly issuer: string;
  /** One of these must be in `aud`. */
  readonly audience: string | readonly string[];
  /** Signature algorithms that are accepted. */
  readonly algorithms?: readonly string[];
  /** Seconds by which clocks may differ. */
  readonly clockSkewSeconds?: number;
  /** Claim with the user id. */
  readonly userClaim?: string;
  /** Claim with the roles, a list or text with spaces; dots lead into objects (`realm_access.roles`). */
  readonly rolesClaim?: string;
  /** How often a key set is read again. */
  readonly refreshSeconds?: number;
}

export const jwtDefaults = {
  algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
  clockSkewSeconds: 30,
  userClaim: "sub",
  rolesClaim: "roles",
  refreshSeconds: 300,
} as const satisfies Partial<JwtOptions>;
