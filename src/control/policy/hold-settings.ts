// How long losses of a service's endpoints are not believed.
import { z } from "zod";
import type { HoldOptions } from "../catalog/hold.ts";
import { percent, section } from "./fields.ts";
import type { EffectiveSettings } from "./settings-for.ts";

/** Milliseconds; "never" = until it is confirmed. */
const time = z.union([z.int().min(0).max(2_592_000_000), z.literal("never")]);

export const holdFields = {
  /** For a service that this source knows well, or that may vanish at any time. */
  hold: section({
    /** A service that vanished or lost all its endpoints, unconfirmed; 0 = believed at once. */
    max_ms: time.optional(),
    /** The loss of a part. */
    partial_ms: time.optional(),
    /** An empty service that its source forgot stays known. */
    forget_ms: time.optional(),
    /** A loss of more than this share at once is held … */
    max_loss_percent: percent.optional(),
    /** … when it is of at least so many endpoints. */
    min_loss: z.int().min(1).optional(),
  }),
} as const;

/** The bounds for one service: what the policy says of it over what holds for all. */
export function holdOptionsOf({ hold }: EffectiveSettings, all: HoldOptions): HoldOptions {
  if (hold === undefined) return all;
  const {
    max_ms: max,
    partial_ms: partial,
    forget_ms: forget,
    max_loss_percent: share,
    min_loss: min,
  } = hold;
  return {
    maxHoldMs: milliseconds(max) ?? all.maxHoldMs,
    partialHoldMs: milliseconds(partial) ?? all.partialHoldMs,
    forgetMs: milliseconds(forget) ?? all.forgetMs,
    maxLossShare: share === undefined ? all.maxLossShare : share / 100,
    minLoss: min ?? all.minLoss,
  };
}

function milliseconds(value: number | "never" | undefined): number | undefined {
  return value === "never" ? Number.POSITIVE_INFINITY : value;
}
