import type { Context } from "hono";
import { canonicalIp } from "../canonical-ip.ts";
import { isLive } from "../model.ts";
import type { Instance, InstanceId, InstanceSpec, MetadataValue } from "../model.ts";
import { Refusal } from "../refusal.ts";
import type { Registry } from "../registry.ts";
import { checkFields } from "./fields.ts";
import type { Checked, Fields } from "./fields.ts";
import type { Operation } from "./operation.ts";
import { checkService, parseAddress, readText, serviceOf } from "./request.ts";

export interface LyftOptions {
  /** The `env` of replies. */
  readonly env: string;
  readonly leaseSeconds: number;
  readonly bodyLimit: number;
  /** The address of the client, for `auto_ip`. */
  readonly remoteAddress: (context: Context) => string | undefined;
}

const form = {
  ip: { type: "text", max: 64, description: "IPv4 or IPv6" },
  port: { type: "text", max: 5, description: "1 to 65535", required: true },
  revision: { type: "text", max: 128, description: "What is deployed", required: true },
  tags: {
    type: "text",
    max: 16_384,
    description: "JSON object with az, region, instance_id; may have canary, load_balancing_weight",
  },
  service_repo_name: { type: "text", max: 128, description: "Repository of the service" },
  auto_ip: { type: "text", max: 8, description: "Take the address of the client" },
} as const satisfies Fields;
const weightForm = {
  load_balancing_weight: { type: "text", max: 3, description: "1 to 100", required: true },
} as const satisfies Fields;
const maxWeight = 100;
type Form = Checked<typeof form>;

/**
 * The calls of lyft/discovery, which Envoy 1.0 to 1.8 polled (`sds` clusters), over the same instances. Unlike there, the port
 * is part of the identity, and a service that was never registered is told apart by the header `x-weft-unknown-service`.
 */
export function lyftOperations(registry: Registry, options: LyftOptions): Operation[] {
  const { store } = registry;

  const showHosts = (context: Context, what: object, instances: readonly Instance[]) =>
    context.json({ env: options.env, ...what, hosts: routable(instances).map(hostJson) });

  const removeOrWeigh = async (context: Context): Promise<Instance[]> => {
    const { ip, port } = parseHost(context.req.param("host") ?? "");
    const all = (await store.list(serviceOf(context))) ?? [];
    return all.filter((one) => isLive(one) && one.ip === ip && (port === undefined || one.port === port));
  };

  return [
    {
      method: "GET",
      path: "/v1/registration/:service",
      id: "lyftHosts",
      summary: "lyft/discovery: hosts of a service",
      access: "read",
      replies: {
        200: "The hosts; none also for an unknown service, which has the header x-weft-unknown-service: true",
      },
      async handle(context) {
        const service = serviceOf(context);
        const instances = await store.list(service);
        if (instances === undefined) context.header("x-weft-unknown-service", "true");
        return showHosts(context, { service }, instances ?? []);
      },
    },
    {
      method: "GET",
      path: "/v1/registration/repo/:repo",
      id: "lyftHostsOfRepository",
      summary: "lyft/discovery: hosts by their service_repo_name",
      access: "read",
      replies: { 200: "The hosts" },
      async handle(context) {
        const repo = context.req.param("repo") ?? "";
        const instances = (await store.all()).filter((one) => one.metadata["service_repo_name"] === repo);
        return showHosts(context, { service_repo_name: repo }, instances);
      },
    },
    {
      method: "POST",
      path: "/v1/registration/:service",
      id: "lyftRegister",
      summary: "lyft/discovery: register a host, or renew it",
      access: "write",
      form,
      replies: { 200: "{}", 400: "A field is wrong; the body names it" },
      async handle(context) {
        const service = serviceOf(context);
        const given = checkFields(await readForm(context, options.bodyLimit), form);
        const id = idOf(service, given, () => options.remoteAddress(context));
        const tags = parseTags(given.tags ?? "{}");
        await registry.register(id, (current) => specOf(current, given, tags, options.leaseSeconds));
        return context.json({});
      },
    },
    {
      method: "DELETE",
      path: "/v1/registration/:service/:host",
      id: "lyftDeregister",
      summary: "lyft/discovery: take a host away, by ip:port, or by ip when it has one port only",
      access: "write",
      replies: { 200: "{}", 400: "Not registered, or several ports and none named" },
      async handle(context) {
        const found = await removeOrWeigh(context);
        if (found.length === 0) throw new Refusal(400, "host not found");
        if (found.length > 1) {
          const allowed = found.map((one) => `${one.ip}:${one.port}`).join(", ");
          throw new Refusal(400, "several ports are registered on this address: name one", {
            field: "ip",
            allowed,
          });
        }
        await registry.deregister(found[0]!, "deregistered by request");
        return context.json({});
      },
    },
    weigh("/v1/loadbalancing/:service", async (context) =>
      ((await store.list(serviceOf(context))) ?? []).filter(isLive),
    ),
    weigh("/v1/loadbalancing/:service/:host", async (context) => {
      const found = await removeOrWeigh(context);
      if (found.length === 0) throw new Refusal(404, "Host not found");
      return found;
    }),
  ];

  function weigh(path: string, select: (context: Context) => Promise<readonly Instance[]>): Operation {
    const all = !path.endsWith(":host");
    return {
      method: "POST",
      path,
      id: all ? "lyftSetWeights" : "lyftSetWeight",
      summary: `lyft/discovery: set the weight of ${all ? "all hosts" : "a host (of all its ports, unless one is named)"}`,
      access: "write",
      form: weightForm,
      replies: { 204: "Set", 400: "Not a weight", 404: "Host not found" },
      async handle(context) {
        const given = checkFields(await readForm(context, options.bodyLimit), weightForm);
        const weight = parseWeight(Number(given.load_balancing_weight), "load_balancing_weight");
        const found = await select(context);
        await Promise.all(found.map((one) => registry.setWeight(one, weight)));
        return context.body(null, 204);
      },
    };
  }
}

/** Draining hosts have no place in a reply that cannot say so; unhealthy ones are shown only when there is no other. */
function routable(instances: readonly Instance[]): readonly Instance[] {
  const up = instances.filter((one) => one.state === "up");
  const usable = up.filter((one) => one.health !== "unhealthy");
  return usable.length > 0 ? usable : up;
}

function hostJson(instance: Instance): object {
  const { service_repo_name: repo, ...metadata } = instance.metadata;
  return {
    ip_address: instance.ip,
    last_check_in: new Date(instance.renewedAt).toISOString().replace("T", " ").replace("Z", "000+00:00"),
    port: instance.port,
    revision: instance.version,
    service: instance.service,
    service_repo_name: repo ?? "",
    tags: {
      ...metadata,
      az: instance.zone,
      region: instance.region,
      instance_id: metadata["instance_id"] ?? "",
      load_balancing_weight: Math.min(instance.weight, maxWeight),
    },
  };
}

function specOf(
  current: Instance | undefined,
  given: Form,
  tags: Record<string, MetadataValue>,
  leaseSeconds: number,
): Partial<InstanceSpec> {
  const { az, region, load_balancing_weight: weight, ...rest } = tags;
  const kept = current !== undefined && isLive(current) ? current.metadata : {};
  const repo = given.service_repo_name;
  return {
    zone: String(az),
    region: String(region),
    version: given.revision,
    metadata: { ...kept, ...rest, ...(repo !== undefined && { service_repo_name: repo }) },
    leaseSeconds,
    ...(weight !== undefined && { weight: parseWeight(weight, "tags.load_balancing_weight") }),
  };
}

function idOf(service: string, given: Form, remote: () => string | undefined): InstanceId {
  const auto = (given.auto_ip ?? "") !== "";
  const ip = canonicalIp(given.ip ?? (auto ? (remote() ?? "") : ""));
  if (ip === undefined)
    throw new Refusal(400, "ip is no IP address", { field: "ip", allowed: "an IPv4 or IPv6 address" });
  const port = Number(given.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Refusal(400, "port is out of range", { field: "port", allowed: "an integer from 1 to 65535" });
  }
  return { service: checkService(service), ip, port };
}

function parseTags(text: string): Record<string, MetadataValue> {
  let tags: unknown;
  try {
    tags = JSON.parse(text);
  } catch {
    throw new Refusal(400, "Invalid json supplied in tags", { field: "tags", allowed: "a JSON object" });
  }
  const checked = checkFields({ tags }, { tags: { type: "labels", description: "" } })["tags"];
  for (const name of ["az", "region", "instance_id"]) {
    if ((checked as Record<string, unknown>)[name] === undefined) {
      throw new Refusal(400, `tag "${name}" is missing`, { field: `tags.${name}`, allowed: "text" });
    }
  }
  const weight = (checked as Record<string, MetadataValue>)["load_balancing_weight"];
  if (weight !== undefined) parseWeight(weight, "tags.load_balancing_weight");
  return checked as Record<string, MetadataValue>;
}

function parseWeight(value: MetadataValue, field: string): number {
  const weight = Number(value);
  if (typeof value !== "boolean" && Number.isInteger(weight) && weight >= 1 && weight <= maxWeight)
    return weight;
  const allowed = `an integer between 1 and ${maxWeight}`;
  throw new Refusal(400, `Invalid load_balancing_weight. Supply ${allowed}.`, { field, allowed });
}

function parseHost(text: string): { ip: string; port: number | undefined } {
  const ip = canonicalIp(text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text);
  return ip === undefined ? parseAddress(text) : { ip, port: undefined };
}

async function readForm(context: Context, limit: number): Promise<Record<string, string>> {
  const type = context.req.header("content-type") ?? "";
  if (!type.startsWith("application/x-www-form-urlencoded")) {
    throw new Refusal(400, "the body is no form", {
      field: "content-type",
      allowed: "application/x-www-form-urlencoded",
    });
  }
  return Object.fromEntries(new URLSearchParams(await readText(context, limit)));
}
