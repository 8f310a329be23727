import { isIP } from "node:net";
import { z } from "zod";
import type { KubeContent } from "./kube-mirror.ts";
import { endpointWith } from "./service-map.ts";

export interface PodOptions {
  /** Label that names the service. */
  readonly cluster_label: string;
  /** Name of the container port; "" = the first TCP port. */
  readonly port_name: string;
  readonly region: string;
}

const podSchema = z.object({
  metadata: z.object({
    labels: z
      .record(z.string(), z.string())
      .nullish()
      .transform((value) => value ?? {}),
    deletionTimestamp: z.string().nullish(),
  }),
  spec: z.object({
    nodeName: z.string().nullish(),
    containers: z.array(
      z.object({
        ports: z
          .array(
            z.object({
              name: z.string().nullish(),
              containerPort: z.int().min(1).max(65_535),
              protocol: z.string().nullish(),
            }),
          )
          .nullish(),
      }),
    ),
  }),
  status: z.object({
    phase: z.string().default(""),
    podIP: z.string().nullish(),
    hostIP: z.string().nullish(),
    containerStatuses: z
      .array(z.object({ ready: z.boolean(), state: z.looseObject({ running: z.unknown() }).nullish() }))
      .nullish(),
  }),
});

/**
 * What a pod says, by Rotor's rules: the label's value is the service, the address is the pod's, the port that with the
 * name. A pod of which not all containers are ready is unhealthy rather than left out; one that is being deleted drains.
 * Throws an Error when it makes no sense.
 */
export function readPod(
  object: unknown,
  options: PodOptions,
  note: (reason: string | undefined) => void = () => {},
): KubeContent {
  const parsed = podSchema.safeParse(object);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new Error(`${path.join(".")}: ${message}`);
  }
  const { metadata, spec, status } = parsed.data;
  const { [options.cluster_label]: service, ...labels } = metadata.labels;
  if (service === undefined || service === "") return [];
  const ip = status.podIP ?? "";
  const ports = spec.containers
    .flatMap((container) => container.ports ?? [])
    .filter(({ protocol }) => (protocol ?? "TCP") === "TCP");
  const port = options.port_name === "" ? ports[0] : ports.find(({ name }) => name === options.port_name);
  const running = status.phase === "Running" && isIP(ip) !== 0;
  note(missing(status, ports, port, options));
  if (!running || port === undefined) return [{ service, endpoints: [] }];
  const statuses = status.containerStatuses ?? [];
  const ready =
    statuses.length > 0 && statuses.every((each) => each.ready && each.state?.running !== undefined);
  return [
    {
      service,
      endpoints: [
        endpointWith({
          ip,
          port: port.containerPort,
          region: options.region,
          version: labels["version"] ?? "",
          health:
            typeof metadata.deletionTimestamp === "string" ? "draining" : ready ? "healthy" : "unhealthy",
          metadata: {
            ...labels,
            ...(typeof status.hostIP === "string" && { tbn_k8s_host_ip: status.hostIP }),
            ...(typeof spec.nodeName === "string" && { tbn_k8s_node_name: spec.nodeName }),
          },
        }),
      ],
    },
  ];
}

/** Why a pod is no endpoint; undefined when it is one. */
function missing(
  { phase, podIP }: { phase: string; podIP?: string | null | undefined },
  ports: readonly { name?: string | null | undefined; containerPort: number }[],
  port: unknown,
  { port_name: wanted }: PodOptions,
): string | undefined {
  if (phase !== "Running") return `its phase is ${phase || "not known"}, not Running`;
  if (isIP(podIP ?? "") === 0) return "it has no address";
  if (port !== undefined) return undefined;
  const has = ports.map(({ name, containerPort }) => `${name ?? "unnamed"} ${containerPort}`).join(", ");
  return wanted === ""
    ? "its containers name no TCP port"
    : `its containers have no TCP port named "${wanted}" (they have ${has || "none"}); set port_name`;
}
