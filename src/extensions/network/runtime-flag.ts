import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Runtime } from "../../proxy/api.ts";

/** What of a RuntimeFeatureFlag is read. */
export const runtimeFlagLedger: Ledger = { "envoy.config.core.v3.RuntimeFeatureFlag": "all" };

/** Whether something is on, by its runtime key or else by its default; on when nothing is configured. */
export function runtimeFlag(
  config: Messages["envoy.config.core.v3.RuntimeFeatureFlag"] | undefined,
  runtime: Runtime,
): () => boolean {
  if (config === undefined) return () => true;
  const fallback = (config.defaultValue ?? true) ? 1 : 0;
  return () => runtime.number(config.runtimeKey, fallback) !== 0;
}
