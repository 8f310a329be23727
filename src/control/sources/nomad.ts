import { z } from "zod";
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

const tags = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);

/** `/v1/services` */
const listSchema = z.array(
  z.object({ Namespace: z.string(), Services: z.array(z.object({ ServiceName: z.string(), Tags: tags })) }),
);

/** One entry of `/v1/service/NAME`. */
const registrationSchema = z.object({
  Address: z.string(),
  Port: z.int(),
  Datacenter: z.string().default(""),
  JobID: z.string().default(""),
  AllocID: z.string().default(""),
  NodeID: z.string().default(""),
  Tags: tags,
});

/**
 * Services registered with Nomad itself (`provider = "nomad"`), by blocking queries. Losses are believed by the same
 * rule as Consul's. Nomad's list says nothing of health.
 */
export const nomadSource = defineSource({
  name: "nomad",
  description: "Nomad's own service discovery, by blocking queries",
  options: {
    url: { kind: "url", default: "http://127.0.0.1:4646", description: "address of an agent or server" },
    token: { secret: true, description: "ACL token; it needs read-job of the namespaces" },
    region: { description: "region to ask for; default: that of the agent" },
    namespace: { default: "default", description: "namespace; * for all" },
    services: { kind: "list", description: "only these services; default: all" },
    tag: { description: "only instances with this tag" },
    stale: { kind: "boolean", default: "false", description: "any server may answer" },
    connections: {
      kind: "number",
      default: "80",
      min: 2,
      max: 10_000,
      description: "connections at once; agents allow 100 per client unless told otherwise",
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
    const common = {
      ...(options.region !== "" && { region: options.region }),
      ...(options.stale && { stale: "" }),
    };
    const queryOf = (namespace: string) => new URLSearchParams({ namespace, ...common }).toString();
    return follow(`nomad ${options.url}`, context, async function* (signal) {
      const client = new HttpClient({
        url: options.url,
        tls: options,
        async headers(): Promise<Record<string, string>> {
          const token = await secretOf(options.token);
          return token === "" ? {} : { "x-nomad-token": token };
        },
      });
      signal.addEventListener("abort", () => client.close());
      yield* blockingServices(
        client,
        {
          indexHeader: "x-nomad-index",
          listPath: `/v1/services?${queryOf(options.namespace)}`,
          parts,
          connections: options.connections,
          timeoutMs: options.timeout,
          retryMs: context.retryMs ?? 500,
          services(list) {
            const parsed = listSchema.safeParse(list);
            if (!parsed.success) throw new Error("the list of services is not one of Nomad");
            const paths = new Map<string, string>();
            for (const { Namespace, Services } of parsed.data) {
              for (const { ServiceName, Tags } of Services) {
                if (options.services.length > 0 && !options.services.includes(ServiceName)) continue;
                if (options.tag !== "" && !Tags.includes(options.tag)) continue;
                const path = `/v1/service/${encodeURIComponent(ServiceName)}?${queryOf(Namespace)}`;
                paths.set(`${Namespace}/${ServiceName}`, path);
              }
            }
            return paths;
          },
          async read(key, answer, confirmed) {
            const name = key.slice(key.indexOf("/") + 1);
            const services = new ServiceMap();
            services.know(name, confirmed);
            const { items, bad } = readItems(registrationSchema, answer, `service "${key}"`, warn);
            for (let i = 0; i < bad; i++) services.addUnreadable(name);
            for (const { Address, Port, Datacenter, JobID, AllocID, NodeID, Tags } of items) {
              if (options.tag !== "" && !Tags.includes(options.tag)) continue;
              const metadata: Record<string, string> = { job: JobID, alloc: AllocID, node: NodeID };
              for (const tag of Tags) {
                const at = tag.indexOf("=");
                metadata[`tag:${at < 0 ? tag : tag.slice(0, at)}`] = at < 0 ? "" : tag.slice(at + 1);
              }
              const version = metadata["tag:version"] ?? "";
              await addInstance(
                services,
                name,
                { host: Address, port: Port, zone: Datacenter, region: options.region, version, metadata },
                hosts,
              );
            }
            return services.readings();
          },
        },
        signal,
      );
    });
  },
});
