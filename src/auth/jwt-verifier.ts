import { hash } from "node:crypto";
import { jwtVerify } from "jose";
import type { JWTPayload } from "jose";
import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";
import { makeIdentity } from "./identity.ts";
import type { Identity } from "./identity.ts";
import { KeySet, NoKeysError } from "./key-set.ts";
import { jwtDefaults } from "./options.ts";
import type { JwtOptions } from "./options.ts";
import { withDefaults } from "../base/with-defaults.ts";

/** A token that is not accepted, with the reason for the reply; `unavailable`: it cannot be judged now. */
export interface Rejection {
  readonly reason: string;
  readonly unavailable: boolean;
}

const maxRemembered = 10_000;
const maxLength = 16_384;

/** Proves JSON Web Tokens (RFC 7519) and remembers what it proved until it ends, so that a client's next request costs one hash. */
export class JwtVerifier {
  readonly keys: KeySet;
  readonly #options: ReturnType<typeof withDefaults<JwtOptions, typeof jwtDefaults>>;
  readonly #clock: Clock;
  readonly #known = new Map<string, Identity>();

  /** Throws when an option is dangerous or empty. */
  constructor(options: JwtOptions, clock: Clock, log: Logger) {
    this.#options = withDefaults(options, jwtDefaults);
    this.#clock = clock;
    const { algorithms, issuer, audience } = this.#options;
    if (issuer === "" || audience.length === 0) throw new Error("JWT needs an issuer and an audience");
    const bad = algorithms.find((name) => !/^(?:(?:RS|PS|ES)(?:256|384|512)|EdDSA|Ed25519)$/.test(name));
    if (bad !== undefined || algorithms.length === 0) {
      throw new Error(
        `JWT algorithm "${bad ?? ""}" is not accepted: a key set is public, so only signatures by key pairs are`,
      );
    }
    this.keys = new KeySet(options.jwks, this.#options.refreshSeconds, clock, log, () => this.#known.clear());
  }

  get remembered(): number {
    return this.#known.size;
  }

  /** What is remembered of a token, without waiting. */
  recall(token: string): Identity | undefined {
    const key = hash("sha256", token, "base64");
    const identity = this.#known.get(key);
    if (identity === undefined || this.#clock.wall() < identity.expiresAt) return identity;
    this.#known.delete(key);
    return undefined;
  }

  async verify(token: string): Promise<Identity | Rejection> {
    if (token.length > maxLength) return { reason: "the token is too long", unavailable: false };
    const { algorithms, issuer, audience, clockSkewSeconds } = this.#options;
    try {
      const { payload } = await jwtVerify(token, this.keys.find, {
        algorithms: [...algorithms],
        issuer,
        audience: typeof audience === "string" ? audience : [...audience],
        clockTolerance: clockSkewSeconds,
        requiredClaims: ["exp"],
        currentDate: new Date(this.#clock.wall()),
      });
      const identity = this.#identityOf(payload);
      this.#remember(token, identity);
      return identity;
    } catch (error) {
      if (error instanceof NoKeysError) return { reason: error.message, unavailable: true };
      return { reason: describe(error as Error & { code?: string }), unavailable: false };
    }
  }

  #identityOf(payload: JWTPayload): Identity {
    const { userClaim, rolesClaim, clockSkewSeconds } = this.#options;
    const user = claim(payload, userClaim);
    if (typeof user !== "string") throw new Error(`claim "${userClaim}" is missing`);
    const roles = claim(payload, rolesClaim) ?? [];
    const list = typeof roles === "string" ? roles.split(" ").filter((role) => role !== "") : roles;
    if (!Array.isArray(list) || !list.every((role) => typeof role === "string")) {
      throw new Error(`claim "${rolesClaim}" is no list of texts`);
    }
    return makeIdentity(user, list, ((payload.exp ?? 0) + clockSkewSeconds) * 1000);
  }

  #remember(token: string, identity: Identity): void {
    if (this.#known.size >= maxRemembered) {
      const oldest = this.#known.keys().next().value;
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(hash("sha256", token, "base64"), identity);
  }
}

function claim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** Nothing of the token itself, only what is wrong with it. */
function describe(error: Error & { code?: string; claim?: string }): string {
  switch (error.code) {
    case "ERR_JWT_EXPIRED":
      return "the token is expired";
    case "ERR_JWT_CLAIM_VALIDATION_FAILED":
      return `claim ${error.claim ?? ""} is not accepted`;
    case "ERR_JWS_SIGNATURE_VERIFICATION_FAILED":
      return "the signature is wrong";
    case "ERR_JWKS_NO_MATCHING_KEY":
      return "no known key signed it";
    case "ERR_JOSE_ALG_NOT_ALLOWED":
      return "its algorithm is not accepted";
    case undefined:
      return error.message;
    default:
      return "it is malformed";
  }
}
