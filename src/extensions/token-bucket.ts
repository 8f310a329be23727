import type { Clock } from "../base/clock.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { durationMs } from "../proto/duration.ts";
import type { Messages } from "../proto/messages.d.ts";

/** The bucket that a TokenBucket message describes. Refuses intervals that Envoy refuses, with its text. */
export function tokenBucket(config: Messages["envoy.type.v3.TokenBucket"], clock: Clock): TokenBucket {
  const interval = durationMs(config.fillInterval, 0);
  if (interval < 50) throw new Error("local rate limit token bucket fill timer must be >= 50ms");
  return new TokenBucket(config.maxTokens, config.tokensPerFill ?? 1, interval, clock);
}
