import { z } from "zod";
import type { EndpointHealth, Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { addInstance } from "./shared/add-instance.ts";
import { AwsClient, awsOptions } from "./shared/aws-client.ts";
import { AwsCredentialChain } from "./shared/aws-credentials.ts";
import { follow, poll } from "./shared/follow.ts";
import { HostAddresses } from "./shared/host-addresses.ts";
import { Parts, type PartReading } from "./shared/parts.ts";
import { readItems } from "./shared/read-items.ts";
import { ServiceMap } from "./shared/service-map.ts";
import { Slots } from "./shared/slots.ts";
import { warnOnce } from "./shared/warn-once.ts";

const TARGET = "Route53AutoNaming_v20170314";
const AT_ONCE = 8;
const MAX_PAGES = 1000;

const servicesSchema = z.object({
  Services: z.array(z.object({ Name: z.string() })),
  NextToken: z.string().nullish(),
});
const namespacesSchema = z.object({
  Namespaces: z.array(z.object({ Id: z.string(), Name: z.string() })),
  NextToken: z.string().nullish(),
});
const instanceSchema = z.object({
  InstanceId: z.string(),
  HealthStatus: z.string().default("UNKNOWN"),
  Attributes: z.record(z.string(), z.string()),
});

/**
 * Services of one namespace of AWS Cloud Map with their instances' health. Its data is only eventually consistent, so
 * what is missing is never a stated loss.
 */
export const cloudmapSource = defineSource({
  name: "cloudmap",
  description: "services of a namespace of AWS Cloud Map",
  options: {
    ...awsOptions,
    namespace: { required: true, description: "name of the namespace" },
    services: { kind: "list", description: "only these services; default: all" },
    data_endpoint: {
      kind: "url",
      description: "address of the API that discovers instances; default: that of the region",
    },
  },
  watch(options, context) {
    const chain = new AwsCredentialChain(options.region);
    const warn = warnOnce(context.log);
    const hosts = new HostAddresses(warn);
    const parts = new Parts();
    return follow(`Cloud Map ${options.namespace}`, context, async function* (signal) {
      const common = { region: options.region, timeoutMs: options.timeout, chain };
      const control = new AwsClient("servicediscovery", "servicediscovery", {
        ...common,
        url: options.endpoint,
      });
      const data = new AwsClient("servicediscovery", "data-servicediscovery", {
        ...common,
        url: options.data_endpoint,
      });
      signal.addEventListener("abort", () => {
        control.close();
        data.close();
      });
      yield* poll(options.interval, async (): Promise<Reading> => {
        const names =
          options.services.length > 0
            ? options.services
            : await listServices(control, options.namespace, signal);
        parts.expect(names);
        const slots = new Slots(AT_ONCE);
        await Promise.all(
          names.map((name) =>
            slots.use(async () => {
              try {
                const body = {
                  NamespaceName: options.namespace,
                  ServiceName: name,
                  HealthStatus: "ALL",
                  MaxResults: 1000,
                };
                const answer = await data.json(`${TARGET}.DiscoverInstances`, body, signal);
                parts.set(name, await readService(name, answer, options.region, hosts, warn));
              } catch (error) {
                parts.fail(name, error);
              }
            }),
          ),
        );
        const reading = parts.reading()!;
        if (reading.kind === "error") throw new Error(reading.error);
        return reading;
      })(signal);
    });
  },
});

async function listServices(client: AwsClient, namespace: string, signal: AbortSignal): Promise<string[]> {
  const id = (await pages(client, "ListNamespaces", {}, namespacesSchema, signal))
    .flatMap((page) => page.Namespaces)
    .find(({ Name }) => Name === namespace)?.Id;
  if (id === undefined) throw new Error(`there is no namespace "${namespace}"`);
  const filter = { Filters: [{ Name: "NAMESPACE_ID", Values: [id], Condition: "EQ" }] };
  const found = await pages(client, "ListServices", filter, servicesSchema, signal);
  return found.flatMap((page) => page.Services.map(({ Name }) => Name));
}

async function pages<T extends { NextToken?: string | null | undefined }>(
  client: AwsClient,
  operation: string,
  body: object,
  schema: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T[]> {
  const found: T[] = [];
  let token: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await client.json(
      `${TARGET}.${operation}`,
      { ...body, ...(token !== undefined && { NextToken: token }) },
      signal,
    );
    const parsed = schema.safeParse(answer);
    if (!parsed.success) throw new Error(`the answer is not one of Cloud Map to ${operation}`);
    found.push(parsed.data);
    token = parsed.data.NextToken ?? undefined;
    if (token === undefined) return found;
  }
  throw new Error(`${operation} gives more than ${MAX_PAGES} pages`);
}

async function readService(
  name: string,
  answer: unknown,
  region: string,
  hosts: HostAddresses,
  warn: (message: string) => void,
): Promise<PartReading> {
  const services = new ServiceMap();
  services.know(name);
  const list = z.object({ Instances: z.unknown() }).safeParse(answer);
  const { items, bad } = readItems(instanceSchema, list.data?.Instances, `service "${name}"`, warn);
  for (let i = 0; i < bad; i++) services.addUnreadable(name);
  for (const { InstanceId, HealthStatus, Attributes } of items) {
    const {
      AWS_INSTANCE_IPV4: v4,
      AWS_INSTANCE_IPV6: v6,
      AWS_INSTANCE_CNAME: cname,
      AWS_INSTANCE_PORT: port,
      ...others
    } = Attributes;
    const health: EndpointHealth = HealthStatus === "UNHEALTHY" ? "unhealthy" : "healthy";
    const weight = Number(others["weight"] ?? 1);
    const given = {
      host: v4 ?? v6 ?? cname ?? "",
      port: Number(port),
      region: others["REGION"] ?? region,
      zone: others["AVAILABILITY_ZONE"] ?? "",
      version: others["version"] ?? "",
      weight: Number.isInteger(weight) && weight > 0 && weight < 65_536 ? weight : 1,
      health,
      metadata: { instance_id: InstanceId, ...others },
    };
    await addInstance(services, name, given, hosts);
  }
  return services.readings();
}
