import { z } from "zod";
import { address, milliseconds, serviceName } from "./fields.ts";
import { retryWords } from "./route-settings.ts";
import { serviceSettings, template } from "./service-settings.ts";
import { staticResources } from "./static-resources.ts";
import { edgeSettings, nodeGroups, sidecarSettings } from "./view-settings.ts";

const region = z.strictObject({
  /** Where the region's front proxy is reached from other regions. */
  gateway: address("ip"),
  /** Where it listens; default: the same port on all addresses. */
  listen: address("ip").optional(),
  /** Services that are there although no source of this control plane knows their instances there. */
  services: z.array(serviceName).default([]),
});

/** What the proxies of the mesh are to do; `--mesh FILE` of the control plane. */
export const meshPolicySchema = z.strictObject({
  edge: edgeSettings.prefault({}),
  sidecar: sidecarSettings.prefault({}),
  /** For all services. */
  defaults: serviceSettings.prefault({}),
  /** For the services they select, in this order. */
  templates: z.array(template).default([]),
  /** For one service each. */
  services: z.record(serviceName, serviceSettings).default({}),
  /** Nodes that get something else than the views above; the first that matches counts. */
  views: nodeGroups,
  /** Resources of one's own, in Envoy's terms, for edges. */
  static_resources: staticResources.prefault({}),
  /** Other regions are reached through their front proxies. */
  regions: z.record(z.string().min(1), region).default({}),
  retries: z
    .strictObject({
      on: retryWords.default("connect-failure,refused-stream,gateway-error"),
      attempts: z.int().min(0).max(10).default(2),
    })
    .prefault({}),
  connect_timeout_ms: milliseconds.default(1000),
  /** Where proxies write their access log: "stdout", a file path, "off", or "control" to tell the control plane. */
  access_log: z
    .string()
    .regex(/^(stdout|off|control|.*\/.*)$/, 'must be "stdout", "off", "control" or a path with a slash in it')
    .default("stdout"),
  /** The cluster in the proxies' bootstrap that leads to the control plane. */
  control_cluster: z.string().min(1).default("weft_control"),
  /** View for nodes that no rule knows: "edge", "sidecar", or "none" to refuse them. */
  default_view: z.enum(["edge", "sidecar", "none"]).default("none"),
});

export type MeshPolicy = z.infer<typeof meshPolicySchema>;

/** A policy with every default. */
export function defaultMeshPolicy(): MeshPolicy {
  return meshPolicySchema.parse({});
}

/** What is in force without a policy file: any proxy is an edge on port 80 that knows each service by its name. */
export function policyWithoutFile(): MeshPolicy {
  return meshPolicySchema.parse({ edge: { listen: "0.0.0.0:80", hosts: {} }, default_view: "edge" });
}
