import { z } from "zod";
import type { EndpointHealth, Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { addInstance } from "./shared/add-instance.ts";
import { follow, poll } from "./shared/follow.ts";
import { HostAddresses } from "./shared/host-addresses.ts";
import { HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { readItems } from "./shared/read-items.ts";
import { ServiceMap } from "./shared/service-map.ts";
import { warnOnce } from "./shared/warn-once.ts";

/** Eureka writes a list of one as the thing itself. */
const listOf = (value: unknown): unknown =>
  value === undefined || Array.isArray(value) ? (value ?? []) : [value];
const port = z
  .object({ $: z.coerce.number(), "@enabled": z.union([z.string(), z.boolean()]).default("true") })
  .transform((value) => ({ number: value.$, enabled: String(value["@enabled"]) === "true" }));

const appsSchema = z.object({ applications: z.object({ application: z.unknown() }) });
const appSchema = z.object({ name: z.string(), instance: z.unknown() });
const instanceSchema = z.object({
  instanceId: z.string().default(""),
  hostName: z.string().default(""),
  ipAddr: z.string().default(""),
  vipAddress: z.string().default(""),
  status: z.string(),
  port: port.optional(),
  securePort: port.optional(),
  metadata: z
    .record(z.string(), z.unknown())
    .nullish()
    .transform((value) => value ?? {}),
  dataCenterInfo: z.object({ metadata: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});

type Instance = z.infer<typeof instanceSchema>;

const HEALTH: Record<string, EndpointHealth | undefined> = {
  UP: "healthy",
  DOWN: "unhealthy",
  STARTING: "unhealthy",
  UNKNOWN: "unhealthy",
  // Somebody took it out by hand.
  OUT_OF_SERVICE: "draining",
};

/**
 * Netflix Eureka, and what speaks its REST API. Its instances live by leases and a server that just started knows few of
 * them, so what is missing is never believed at once.
 */
export const eurekaSource = defineSource({
  name: "eureka",
  description: "Eureka servers",
  options: {
    urls: {
      kind: "list",
      required: true,
      description:
        "addresses up to the path before /apps, e.g. http://eureka:8761/eureka; the next is asked when one fails",
    },
    name: {
      default: "app",
      choices: ["app", "vip"],
      description: "service names: applications in lower case, or VIP addresses",
    },
    secure: { kind: "boolean", default: "false", description: "take the secure ports" },
    interval: { kind: "duration", default: "10s", min: 10, description: "time between questions" },
    timeout: { kind: "duration", default: "10s", min: 1, description: "longest wait for an answer" },
    ...tlsOptions,
  },
  check({ urls }) {
    for (const url of urls)
      if (!/^https?:\/\/./.test(url)) throw new Error(`"${url}" in "urls" is not a URL`);
  },
  watch(options, context) {
    const warn = warnOnce(context.log);
    const hosts = new HostAddresses(warn);
    let turn = 0;
    return follow(`eureka ${options.urls.join(" ")}`, context, async function* (signal) {
      const client = new HttpClient({ url: options.urls[turn++ % options.urls.length]!, tls: options });
      signal.addEventListener("abort", () => client.close());
      yield* poll(options.interval, async (): Promise<Reading> => {
        const answer = await client.json("/apps", { signal, timeoutMs: options.timeout });
        const parsed = appsSchema.safeParse(answer);
        if (!parsed.success) throw new Error("the answer to /apps is not one of Eureka");
        const services = new ServiceMap();
        const apps = readItems(
          appSchema,
          listOf(parsed.data.applications.application),
          "the applications",
          warn,
        );
        if (apps.bad > 0) throw new Error(`${apps.bad} applications make no sense`);
        for (const app of apps.items) {
          const own = app.name.toLowerCase();
          if (options.name === "app") services.know(own);
          const { items, bad } = readItems(
            instanceSchema,
            listOf(app.instance),
            `application "${app.name}"`,
            warn,
          );
          if (bad > 0 && options.name === "vip") throw new Error(`instances of "${app.name}" make no sense`);
          for (let i = 0; i < bad; i++) services.addUnreadable(own);
          for (const instance of items) {
            const given = fieldsOf(instance, options.secure);
            if (given === undefined) continue;
            const names = options.name === "app" ? [own] : instance.vipAddress.split(",");
            for (const name of names) if (name !== "") await addInstance(services, name, given, hosts);
          }
        }
        return { kind: "ok", services: services.readings() };
      })(signal);
    });
  },
});

/** Undefined for an instance whose port of this kind is switched off. */
function fieldsOf(instance: Instance, secure: boolean) {
  const chosen = secure ? instance.securePort : instance.port;
  if (chosen?.enabled !== true) return undefined;
  const metadata: Record<string, string> = { instance_id: instance.instanceId };
  for (const [key, value] of Object.entries(instance.metadata))
    if (!key.startsWith("@") && (typeof value === "string" || typeof value === "number"))
      metadata[key] = String(value);
  const zone = metadata["zone"] ?? instance.dataCenterInfo?.metadata?.["availability-zone"];
  const weight = Number(metadata["weight"] ?? 1);
  return {
    host: instance.ipAddr || instance.hostName,
    port: chosen.number,
    weight: Number.isInteger(weight) && weight > 0 && weight <= 65_535 ? weight : 1,
    zone: typeof zone === "string" ? zone : "",
    version: metadata["version"] ?? "",
    health: HEALTH[instance.status] ?? ("unhealthy" as const),
    metadata,
  };
}
