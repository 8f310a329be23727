import { z } from "zod";
import { nameGlob } from "./fields.ts";
import { holdFields } from "./hold-settings.ts";
import { actionFields, callers, patch, serviceRoute, split } from "./route-settings.ts";
import { upstreamFields } from "./upstream-settings.ts";

/** Everything that can be said of a service; what is left out comes from a less specific place. */
export const serviceSettings = z.strictObject({
  ...upstreamFields,
  ...actionFields,
  ...holdFields,
  /** tcp: where sidecars listen for those who call the service. */
  port: z.int().min(1).max(65_535).optional(),
  split: split.nullable().optional(),
  /** Special cases; the first that matches counts, and all other requests follow `split`. */
  routes: z.array(serviceRoute).nullable().optional(),
  /** Left out: everybody. */
  callers: callers.nullable().optional(),
  envoy: z.strictObject({ cluster: patch, route: patch, virtual_host: patch }).optional(),
});

export type ServiceSettings = z.infer<typeof serviceSettings>;

/** Settings for all services that it selects; both conditions must hold when both are given. */
export const template = z.strictObject({
  services: nameGlob.default("*"),
  /** Metadata that every instance has, with these values. */
  labels: z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()])).default({}),
  settings: serviceSettings,
});

export type Template = z.infer<typeof template>;
