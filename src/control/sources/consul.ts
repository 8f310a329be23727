import { z } from "zod";
import type { EndpointHealth } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { addInstance } from "./shared/add-instance.ts";
import { blockingServices } from "./shared/blocking-services.ts";
import { follow } from "./shared/follow.ts";
import { HostAddresses } from "./shared/host-addresses.ts";
import { HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { Parts } from "./shared/parts.ts";
import { readItems } from "./shared/read-items.ts";
import { secretOf } from "../../base/secret.ts";
import { ServiceMap } from "./shared/service-map.ts";
import { warnOnce } from "./shared/warn-once.ts";

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});

/** One entry of `/v1/health/service/NAME`. */
const entrySchema = z.object({
  Node: z.object({ ID: text, Node: text, Address: text, Datacenter: text, Meta: texts }),
  Service: z.object({
    Kind: text,
    Service: z.string(),
    Tags: z
      .array(z.string())
      .nullish()
      .transform((value) => value ?? []),
    Address: text,
    Port: z.int(),
    Meta: texts,
    Weights: z.object({ Passing: z.number(), Warning: z.number() }).nullish(),
  }),
  Checks: z.array(z.object({ CheckID: z.string(), Status: z.string() })),
});

type Entry = z.infer<typeof entrySchema>;

const listSchema = z.record(z.string(), z.array(z.string()).nullable());

/**
 * Consul's catalog with health, by blocking queries: one for the list of services and one for each service. What is
 * missing after an index that only went up was deregistered by somebody and is believed; what is missing after the index
 * fell (a restored snapshot, lost servers) is not.
 */
export const consulSource = defineSource({
  name: "consul",
  description: "Consul's catalog and health, by blocking queries",
  options: {
    url: { kind: "url", default: "http://127.0.0.1:8500", description: "address of an agent or server" },
    token: { secret: true, description: "ACL token; it needs service:read and node:read" },
    dc: { description: "datacenter to ask for; default: that of the agent" },
    namespace: { description: "namespace (Consul Enterprise)" },
    partition: { description: "admin partition (Consul Enterprise)" },
    services: { kind: "list", description: "only these services; default: all" },
    tag: { description: "only instances with this tag, or with tag_delimiter a tag that begins with it" },
    tag_delimiter: {
      description: "what parts a tag's name and value, e.g. =; the value of `tag` then names the service",
    },
    consistency: {
      default: "default",
      choices: ["default", "stale", "consistent"],
      description: "stale: any server may answer; consistent: the leader asks the others first",
    },
    warning: {
      default: "healthy",
      choices: ["healthy", "degraded", "unhealthy"],
      description: "what an instance with a check in state warning is",
    },
    critical: {
      default: "unhealthy",
      choices: ["unhealthy", "drop"],
      description: "what an instance with a check in state critical is; drop: none",
    },
    zone_meta: {
      default: "zone",
      description: "key of the service's or node's metadata that holds the zone",
    },
    connections: {
      kind: "number",
      default: "150",
      min: 2,
      max: 10_000,
      description: "connections at once; agents allow 200 per client unless told otherwise",
    },
    timeout: {
      kind: "duration",
      default: "10s",
      min: 10,
      description: "longest wait for an answer besides blocking",
    },
    ...tlsOptions,
  },
  watch(options, context) {
    const warn = warnOnce(context.log);
    const hosts = new HostAddresses(warn);
    const parts = new Parts();
    const query = new URLSearchParams({
      ...(options.dc !== "" && { dc: options.dc }),
      ...(options.namespace !== "" && { ns: options.namespace }),
      ...(options.partition !== "" && { partition: options.partition }),
      ...(options.consistency !== "default" && { [options.consistency]: "" }),
    }).toString();
    const isTagged = (tags: readonly string[]) => options.tag === "" || tagValue(tags, options) !== undefined;
    return follow(`consul ${options.url}`, context, async function* (signal) {
      const client = new HttpClient({
        url: options.url,
        tls: options,
        async headers(): Promise<Record<string, string>> {
          const token = await secretOf(options.token);
          return token === "" ? {} : { "x-consul-token": token };
        },
      });
      signal.addEventListener("abort", () => client.close());
      yield* blockingServices(
        client,
        {
          indexHeader: "x-consul-index",
          listPath: `/v1/catalog/services?${query}`,
          parts,
          connections: options.connections,
          timeoutMs: options.timeout,
          retryMs: context.retryMs ?? 500,
          services(list) {
            const parsed = listSchema.safeParse(list);
            if (!parsed.success) throw new Error("the list of services is not one of Consul");
            const names = Object.entries(parsed.data).filter(
              ([name, tags]) =>
                isTagged(tags ?? []) && (options.services.length === 0 || options.services.includes(name)),
            );
            return new Map(
              names.map(([name]) => [name, `/v1/health/service/${encodeURIComponent(name)}?${query}`]),
            );
          },
          async read(name, answer, confirmed) {
            const services = new ServiceMap();
            if (options.tag_delimiter === "") services.know(name, confirmed);
            const { items, bad } = readItems(entrySchema, answer, `service "${name}"`, warn);
            if (bad > 0 && options.tag_delimiter !== "") throw new Error(`${bad} instances make no sense`);
            for (let i = 0; i < bad; i++) services.addUnreadable(name);
            for (const entry of items) {
              // Proxies and gateways of Consul's own mesh are no instances of the service.
              if (entry.Service.Kind !== "" && entry.Service.Kind !== "typical") continue;
              if (!isTagged(entry.Service.Tags)) continue;
              const service =
                options.tag_delimiter === "" ? name : tagValue(entry.Service.Tags, options) || name;
              services.know(service, confirmed);
              const health = healthOf(entry, options);
              if (health === "drop") continue;
              if (entry.Service.Port === 0) {
                warn(`leaving out instances of "${name}": they have no port`);
                continue;
              }
              await addInstance(services, service, instanceOf(entry, service, health, options), hosts);
            }
            return services.readings();
          },
        },
        signal,
      );
    });
  },
});

interface TagOptions {
  readonly tag: string;
  readonly tag_delimiter: string;
}

/** What a tag such as `tbn-cluster=users` says; "" for the bare tag; undefined when it is not there. */
function tagValue(
  tags: readonly string[],
  { tag, tag_delimiter: delimiter }: TagOptions,
): string | undefined {
  if (tags.includes(tag)) return "";
  if (delimiter === "") return undefined;
  const start = tag + delimiter;
  return tags.find((each) => each.startsWith(start))?.slice(start.length);
}

function healthOf(
  { Checks }: Entry,
  { warning, critical }: { warning: string; critical: string },
): EndpointHealth | "drop" {
  const failing = Checks.filter((check) => check.Status === "critical" || check.Status === "maintenance");
  // Somebody took it out by hand: it finishes what it has.
  if (
    failing.some(
      ({ CheckID }) => CheckID === "_node_maintenance" || CheckID.startsWith("_service_maintenance"),
    )
  )
    return "draining";
  if (failing.length > 0) return critical as EndpointHealth | "drop";
  return Checks.some((check) => check.Status === "warning") ? (warning as EndpointHealth) : "healthy";
}

function instanceOf(
  { Node, Service, Checks }: Entry,
  service: string,
  health: EndpointHealth,
  options: TagOptions & { readonly zone_meta: string },
) {
  const warned = Checks.some((check) => check.Status === "warning");
  const weight =
    Service.Weights === null || Service.Weights === undefined
      ? 1
      : Service.Weights[warned ? "Warning" : "Passing"];
  const metadata: Record<string, string> = { ...Service.Meta };
  for (const [key, value] of Object.entries(Node.Meta)) metadata[`node:${key}`] = value;
  for (const tag of Service.Tags) {
    const at = options.tag_delimiter === "" ? -1 : tag.indexOf(options.tag_delimiter);
    const key = at < 0 ? tag : tag.slice(0, at);
    metadata[`tag:${key}`] = at < 0 ? "" : tag.slice(at + options.tag_delimiter.length);
  }
  if (Node.ID !== "") metadata["node-id"] = Node.ID;
  if (service !== Service.Service) metadata["consul:service"] = Service.Service;
  return {
    host: Service.Address || Node.Address,
    port: Service.Port,
    weight: Math.min(65_535, Math.max(1, Math.round(weight))),
    region: Node.Datacenter,
    zone: Service.Meta[options.zone_meta] ?? Node.Meta[options.zone_meta] ?? "",
    version: Service.Meta["version"] ?? "",
    health,
    metadata,
  };
}
