import type { Clock } from "../../base/clock.ts";
import type { TokenBucket } from "../../base/token-bucket.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { ResponseFlag, type NetworkFilterDef, type PassingFilterFactory } from "../../proxy/api.ts";
import { tokenBucket } from "../token-bucket.ts";
import { runtimeFlag, runtimeFlagLedger } from "./runtime-flag.ts";

type Config = Messages["envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"];

/**
 * envoy.filters.network.local_ratelimit: a token bucket for new connections. Each worker has a bucket of its own, and
 * filters of the same share_key have one together.
 */
export const networkLocalRatelimit: NetworkFilterDef<
  "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
  PassingFilterFactory
> = {
  name: "envoy.filters.network.local_ratelimit",
  config: "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
  ledger: {
    ...runtimeFlagLedger,
    "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit": "all",
    "envoy.type.v3.TokenBucket": "all",
  },
  create(config, context) {
    const bucket = bucketFor(config, context.clock);
    const enabled = runtimeFlag(config.runtimeEnabled, context.runtime);
    const limited = context.stats.counter(`local_rate_limit.${config.statPrefix}.rate_limited`);
    return {
      attach: ({ downstream, close }) => ({
        onNewConnection() {
          if (!enabled() || bucket.take()) return "continue";
          limited.inc();
          downstream.record.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
          close("");
          return "stop";
        },
      }),
    };
  },
};

/** Buckets of a thread that filters share, by key and size. */
const shared = new WeakMap<Clock, Map<string, TokenBucket>>();

function bucketFor({ shareKey, tokenBucket: config }: Config, clock: Clock): TokenBucket {
  if (shareKey === "") return tokenBucket(config!, clock);
  let buckets = shared.get(clock);
  if (buckets === undefined) shared.set(clock, (buckets = new Map()));
  const { maxTokens, tokensPerFill, fillInterval } = config!;
  const key = [shareKey, maxTokens, tokensPerFill, fillInterval?.seconds, fillInterval?.nanos].join("|");
  let bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, (bucket = tokenBucket(config!, clock)));
  return bucket;
}
