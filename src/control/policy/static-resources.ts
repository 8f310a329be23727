// Resources of one's own beside those that the control plane makes, for edges.
import { z } from "zod";

/** In Envoy's own terms; checked against Envoy's API, see envoy-patches.ts. */
const resource = z.record(z.string(), z.unknown());

const resources = z.array(resource).default([]);

export const staticResources = z.strictObject({
  clusters: resources,
  listeners: resources,
  route_configs: resources,
  load_assignments: resources,
  /**
   * What becomes of those that are made. merge: they stay, but for those with the name of a static one, and listeners on its
   * address. overwrite: of each kind that has static ones, only these are left.
   */
  conflict_behavior: z.enum(["merge", "overwrite"]).default("merge"),
});

export type StaticResources = z.infer<typeof staticResources>;
