import { TextMetrics } from "../base/text-metrics.ts";
import type { Decision } from "./authorize.ts";
import type { JwtVerifier } from "./jwt-verifier.ts";
import type { PolicyFile } from "./policy-file.ts";
import type { TokenIndex } from "./token-index.ts";
import type { TokenReader } from "./token-reader.ts";

/** How many checks came to what; plain fields, since it is counted on every request. */
export type CheckCounts = Record<Decision["result"], number>;

export interface AuthParts {
  readonly counts: CheckCounts;
  readonly tokens: TokenIndex;
  readonly reader: TokenReader;
  readonly jwt: JwtVerifier | undefined;
  readonly policyFile: PolicyFile | undefined;
}

export function authMetrics({ counts, tokens, reader, jwt, policyFile }: AuthParts): TextMetrics {
  const text = new TextMetrics();
  text.readCounter("weft_auth_checks_total", "Checks by result", () =>
    Object.entries(counts).map(([result, count]) => [{ result }, count] as const),
  );
  text.gauge("weft_auth_tokens", "Opaque tokens that count", () => tokens.size);
  text.gauge(
    "weft_auth_store_stale_seconds",
    "Time since the tokens were known to be as the store has them",
    () => reader.staleSeconds,
  );
  text.readCounter(
    "weft_auth_store_failures_total",
    "Failed reads of the token store",
    () => reader.failures,
  );
  text.readCounter(
    "weft_auth_reader_restarts_total",
    "Times the reader of the token store was replaced",
    () => reader.restarts,
  );
  if (policyFile !== undefined) {
    text.readCounter("weft_auth_policy_reloads_total", "Times the policy was read again", () => [
      [{ result: "ok" }, policyFile.reloads],
      [{ result: "failed" }, policyFile.failures],
    ]);
  }
  if (jwt !== undefined) {
    const { keys } = jwt;
    text.readCounter("weft_auth_key_set_reads_total", "Reads of the key set", () => [
      [{ result: "ok" }, keys.refreshes],
      [{ result: "failed" }, keys.failures],
    ]);
    text.gauge(
      "weft_auth_key_set_age_seconds",
      "Time since the key set was read; NaN before the first time",
      () => keys.ageSeconds ?? NaN,
    );
    text.gauge("weft_auth_jwt_remembered", "Proved tokens that are remembered", () => jwt.remembered);
  }
  return text;
}
