import { bearerCredentials } from "../base/bearer-token.ts";
import type { Clock } from "../base/clock.ts";
import type { Identity } from "./identity.ts";
import type { JwtVerifier, Rejection } from "./jwt-verifier.ts";
import { requirementOf, satisfies } from "./policy.ts";
import type { Policy, Requirement } from "./policy.ts";
import type { TokenIndex } from "./token-index.ts";

/** What a check comes to. `reason` is for the log and the reply; it never holds a credential. */
export type Decision =
  | { readonly result: "allowed"; readonly identity: Identity | undefined; readonly reason: string }
  | { readonly result: "missing"; readonly reason: string }
  | { readonly result: "invalid"; readonly reason: string }
  | { readonly result: "forbidden"; readonly identity: Identity | undefined; readonly reason: string }
  | { readonly result: "unavailable"; readonly reason: string };

export interface Authority {
  readonly tokens: TokenIndex;
  readonly jwt: JwtVerifier | undefined;
  readonly clock: Clock;
  policy(): Policy;
}

/** Decides about one request; at once, unless a JWT must be proved that was not seen before. */
export function authorize(
  authority: Authority,
  method: string,
  target: string,
  authorization: string | undefined,
): Decision | Promise<Decision> {
  const requirement = requirementOf(authority.policy(), method, target);
  if (requirement.access === "deny")
    return { result: "forbidden", identity: undefined, reason: requirement.reason };
  if (authorization === undefined) return decide(requirement, undefined);
  const found = identify(authority, authorization);
  return found instanceof Promise
    ? found.then((one) => decide(requirement, one))
    : decide(requirement, found);
}

type Found = Identity | Rejection | undefined;

function identify({ tokens, jwt, clock }: Authority, authorization: string): Found | Promise<Found> {
  const token = bearerCredentials(authorization);
  if (token === undefined) return reject("only Bearer credentials are accepted");
  if (jwt !== undefined && looksLikeJwt(token)) return jwt.recall(token) ?? jwt.verify(token);
  const found = tokens.find(token, clock.wall());
  return typeof found === "string"
    ? reject(found === "expired" ? "the token is expired" : "the token is not known")
    : found;
}

function reject(reason: string): Rejection {
  return { reason, unavailable: false };
}

function decide(requirement: Requirement, found: Found): Decision {
  const identity = found !== undefined && "user" in found ? found : undefined;
  const { reason } = requirement;
  if (requirement.access === "public") return { result: "allowed", identity, reason };
  if (found === undefined) return { result: "missing", reason: `credentials are needed (${reason})` };
  if (identity === undefined) {
    const rejection = found as Rejection;
    return { result: rejection.unavailable ? "unavailable" : "invalid", reason: rejection.reason };
  }
  if (satisfies(identity, requirement)) return { result: "allowed", identity, reason };
  return { result: "forbidden", identity, reason: `role or user does not fit (${reason})` };
}

/** Whether a bearer credential has the shape of a signed JWT (RFC 7515, compact form). */
function looksLikeJwt(token: string): boolean {
  return /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(token);
}
