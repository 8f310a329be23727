import type { MergeRule } from "./source-merge.ts";
import type { OptionTable, OptionValues } from "./source-options.ts";

/** Options that every source has besides its own: how it is called and how it stands beside the others. */
export const commonOptions = {
  as: { description: "name of the source in logs, metrics and on endpoints; default: its kind" },
  priority: {
    kind: "number",
    description:
      "priority of its endpoints: those of a higher number take traffic when the lower ones are not fit",
    max: 127,
  },
  share: {
    kind: "number",
    description:
      "its part of a service's traffic beside other sources of the same priority; default: by the endpoints' weights",
    max: 1_000_000,
  },
} as const satisfies OptionTable;

/** Checked values of the common options. */
export type CommonValues = OptionValues<typeof commonOptions>;

/** Throws an Error that says what is wrong. */
export function mergeRule({ priority, share }: CommonValues): MergeRule {
  if (!Number.isInteger(priority)) throw new Error(`priority ${priority} is not a whole number`);
  return { priority, share };
}
