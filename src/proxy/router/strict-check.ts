import type { HeaderMap } from "../../http/header-map.ts";
import type { LocalReply } from "../api.ts";
import { ResponseFlag } from "../response-flags.ts";
import { parseRetryGrpcOn, parseRetryOn } from "../route/retry-on.ts";

const isInteger = (value: string): boolean => /^\s*[+-]?\d{1,10}\s*$/.test(value);

const CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  "x-envoy-upstream-rq-timeout-ms": isInteger,
  "x-envoy-upstream-rq-per-try-timeout-ms": isInteger,
  "x-envoy-max-retries": isInteger,
  "x-envoy-retry-on": (value) => parseRetryOn(value).valid,
  "x-envoy-retry-grpc-on": (value) => parseRetryGrpcOn(value).valid,
};

/** The reply to a request one of whose x-envoy-* headers makes no sense; undefined if all do. */
export function strictCheck(names: readonly string[], headers: HeaderMap): LocalReply | undefined {
  for (const name of names) {
    const value = headers.get(name);
    if (value === undefined || CHECKS[name]?.(value) !== false) continue;
    return {
      status: 400,
      body: `invalid header '${name}' with value '${value}'`,
      details: `request_headers_failed_strict_check{${name}}`,
      flags: ResponseFlag.InvalidEnvoyRequestHeaders,
      close: true,
    };
  }
  return undefined;
}
