import { isIP } from "node:net";
import { z } from "zod";
import type { Endpoint, EndpointHealth } from "../../model.ts";
import type { KubeContent } from "./kube-mirror.ts";
import { endpointWith } from "./service-map.ts";

export interface SliceOptions {
  /** Service names: {service}, {namespace}, {port} and text. */
  readonly name: string;
  /** Label of slices, inherited from their Service, that names the service instead. */
  readonly name_label: string;
  /** Ports by name; none = the first, or with {port} in the name all. */
  readonly ports: readonly string[];
  readonly region: string;
}

export const SERVICE_LABEL = "kubernetes.io/service-name";

const nullable = <T extends z.ZodType>(schema: T) =>
  z
    .array(schema)
    .nullish()
    .transform((value) => value ?? []);
const conditions = z
  .object({
    ready: z.boolean().nullish(),
    serving: z.boolean().nullish(),
    terminating: z.boolean().nullish(),
  })
  .nullish();
const sliceSchema = z.object({
  metadata: z.object({
    namespace: z.string(),
    labels: z
      .record(z.string(), z.string())
      .nullish()
      .transform((value) => value ?? {}),
  }),
  addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
  ports: nullable(
    z.object({
      name: z.string().nullish(),
      port: z.int().min(1).max(65_535).nullish(),
      protocol: z.string().nullish(),
    }),
  ),
  endpoints: nullable(
    z.object({
      addresses: z.array(z.string().min(1)),
      conditions,
      zone: z.string().nullish(),
      nodeName: z.string().nullish(),
      targetRef: z.object({ kind: z.string().nullish(), name: z.string().nullish() }).nullish(),
    }),
  ),
});

/** What an EndpointSlice says. Throws an Error when it makes no sense. */
export function readSlice(
  object: unknown,
  options: SliceOptions,
  note: (reason: string | undefined) => void = () => {},
): KubeContent {
  const parsed = sliceSchema.safeParse(object);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new Error(`${path.join(".")}: ${message}`);
  }
  const { metadata, addressType, ports, endpoints } = parsed.data;
  const service = metadata.labels[SERVICE_LABEL];
  if (addressType !== "FQDN") {
    const odd = endpoints.flatMap(({ addresses }) => addresses).find((address) => isIP(address) === 0);
    if (odd !== undefined) throw new Error(`"${odd}" is not an address`);
  }
  note(undefined);
  if (service === undefined) return [];
  if (addressType === "FQDN") {
    note("its addresses are names; endpoints are IP addresses");
    return [];
  }
  const named = options.name_label === "" ? undefined : metadata.labels[options.name_label];
  if (options.name_label !== "" && named === undefined) {
    note(`service ${service} has no label "${options.name_label}", which name_label asks for`);
    return [];
  }
  const eachPort = options.name.includes("{port}");
  const usable = ports.filter(
    ({ port, protocol }) => typeof port === "number" && (protocol ?? "TCP") === "TCP",
  );
  const wanted =
    options.ports.length === 0 ? usable : usable.filter(({ name }) => options.ports.includes(name ?? ""));
  if (wanted.length === 0 && endpoints.length > 0) {
    const has = ports.map(
      ({ name, port, protocol }) => `${name || "unnamed"} ${port ?? "any"}/${protocol ?? "TCP"}`,
    );
    const asked =
      options.ports.length === 0 ? "" : ` of those that are asked for (${options.ports.join(", ")})`;
    note(`service ${service} has no TCP port${asked}; it has ${has.join(", ") || "none"}`);
  }
  // A slice without endpoints may have no ports either: its service is known all the same.
  const chosen =
    wanted.length === 0 && endpoints.length === 0
      ? [{ name: "", port: 0 }]
      : eachPort
        ? wanted
        : wanted.slice(0, 1);
  return chosen.map(({ name, port }) => ({
    service:
      named ??
      options.name
        .replaceAll("{service}", service)
        .replaceAll("{namespace}", metadata.namespace)
        .replaceAll("{port}", name || String(port)),
    endpoints: endpoints.flatMap((endpoint) =>
      // The first address is the one to use (EndpointSlice API, field addresses).
      endpoint.addresses.slice(0, 1).map((ip): Endpoint => {
        const { zone, nodeName, targetRef } = endpoint;
        return endpointWith({
          ip,
          port: port!,
          zone: zone ?? "",
          region: options.region,
          health: healthOf(endpoint.conditions),
          metadata: {
            namespace: metadata.namespace,
            ...(typeof nodeName === "string" && { node: nodeName }),
            ...(targetRef?.kind === "Pod" && typeof targetRef.name === "string" && { pod: targetRef.name }),
          },
        });
      }),
    ),
  }));
}

/** Unset conditions: ready and serving count as true, terminating as false. */
function healthOf(given: z.infer<typeof conditions>): EndpointHealth {
  const { ready, serving, terminating } = given ?? {};
  if (terminating === true) return (serving ?? true) ? "draining" : "unhealthy";
  return (ready ?? true) ? "healthy" : "unhealthy";
}
