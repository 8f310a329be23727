import type { Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { AwsClient, awsOptions } from "./shared/aws-client.ts";
import { AwsCredentialChain } from "./shared/aws-credentials.ts";
import { describeInstances } from "./shared/ec2-instances.ts";
import { EcsApi, type EcsLabels, type EcsTask } from "./shared/ecs-api.ts";
import { follow, poll } from "./shared/follow.ts";
import { Parts } from "./shared/parts.ts";
import { endpointWith, ServiceMap } from "./shared/service-map.ts";

/** Values of one filter of EC2. */
const FILTER_VALUES = 200;
const MAX_DEFINITIONS = 5000;

/**
 * Running tasks of ECS, on EC2 or Fargate, whose containers have a Docker label as Rotor read it:
 * `tbn-cluster: "users:8080,admin:9090"` with container ports. What the list lacks is never a stated loss.
 */
export const ecsSource = defineSource({
  name: "ecs",
  description: "containers of ECS (EC2 and Fargate) that have a label",
  options: {
    ...awsOptions,
    clusters: { kind: "list", description: "names or ARNs of ECS clusters; default: all" },
    label: { default: "tbn-cluster", description: "Docker label that holds SERVICE:PORT,SERVICE:PORT" },
    ec2_endpoint: { kind: "url", description: "address of the EC2 API; default: that of the region" },
  },
  watch(options, context) {
    const chain = new AwsCredentialChain(options.region);
    const parts = new Parts();
    /** Task definitions never change. */
    const definitions = new Map<string, EcsLabels>();
    return follow(`ECS ${options.region}`, context, async function* (signal) {
      const common = { region: options.region, timeoutMs: options.timeout, chain };
      const client = new AwsClient("ecs", "ecs", { ...common, url: options.endpoint });
      const ec2 = new AwsClient("ec2", "ec2", { ...common, url: options.ec2_endpoint });
      signal.addEventListener("abort", () => {
        client.close();
        ec2.close();
      });
      const api = new EcsApi(client, signal);
      yield* poll(options.interval, async (): Promise<Reading> => {
        const clusters = options.clusters.length > 0 ? options.clusters : await api.clusters();
        parts.expect(clusters);
        for (const cluster of clusters) {
          try {
            const tasks = (await api.tasks(cluster)).filter(({ lastStatus }) => lastStatus === "RUNNING");
            if (definitions.size > MAX_DEFINITIONS) definitions.clear();
            for (const { taskDefinitionArn: arn } of tasks)
              if (!definitions.has(arn)) definitions.set(arn, await api.labels(arn));
            const hosts = await hostsOf(cluster, tasks, api, ec2, signal);
            const services = new ServiceMap();
            for (const task of tasks)
              addTask(services, task, definitions.get(task.taskDefinitionArn)!, hosts, {
                ...options,
                cluster,
              });
            parts.set(cluster, services.readings());
          } catch (error) {
            parts.fail(cluster, error);
          }
        }
        const reading = parts.reading()!;
        if (reading.kind === "error") throw new Error(reading.error);
        return reading;
      })(signal);
    });
  },
});

interface Host {
  readonly instance: string;
  readonly ip: string;
}

/** Where tasks without a network interface of their own run, by container instance. */
async function hostsOf(
  cluster: string,
  tasks: readonly EcsTask[],
  api: EcsApi,
  ec2: AwsClient,
  signal: AbortSignal,
): Promise<Map<string, Host>> {
  const arns = tasks
    .filter(({ containers }) =>
      containers.every(({ networkInterfaces }) => (networkInterfaces ?? []).length === 0),
    )
    .flatMap(({ containerInstanceArn: arn }) => (typeof arn === "string" ? [arn] : []));
  const instances = await api.hosts(cluster, [...new Set(arns)]);
  const ids = [...new Set(instances.values())];
  const addresses = new Map<string, string>();
  for (let i = 0; i < ids.length; i += FILTER_VALUES) {
    const found = await describeInstances(ec2, [["instance-id", ids.slice(i, i + FILTER_VALUES)]], signal);
    for (const { id, ip } of found) if (ip !== "") addresses.set(id, ip);
  }
  const hosts = new Map<string, Host>();
  for (const [arn, instance] of instances) {
    const ip = addresses.get(instance);
    if (ip !== undefined) hosts.set(arn, { instance, ip });
  }
  return hosts;
}

function addTask(
  services: ServiceMap,
  task: EcsTask,
  labels: EcsLabels,
  hosts: ReadonlyMap<string, Host>,
  { label, region, cluster }: { readonly label: string; readonly region: string; readonly cluster: string },
): void {
  const host = hosts.get(task.containerInstanceArn ?? "");
  for (const container of task.containers) {
    const { [label]: places = "", ...others } = labels.get(container.name) ?? {};
    for (const place of places.split(",").map((text) => text.trim())) {
      const [service = "", portText] = place.split(":");
      if (service === "") continue;
      const port = Number(portText);
      const own = container.networkInterfaces?.[0];
      const ownIp = own?.privateIpv4Address ?? own?.ipv6Address ?? undefined;
      const bound = container.networkBindings?.find(({ containerPort }) => containerPort === port)?.hostPort;
      const ip = ownIp ?? host?.ip;
      const reached = ownIp === undefined ? bound : port;
      if (ip === undefined || typeof reached !== "number" || !(reached > 0 && reached < 65_536)) {
        services.addUnreadable(service);
        continue;
      }
      const metadata: Record<string, string> = {
        ...others,
        "ecs-cluster": cluster,
        "ecs-task-definition": task.taskDefinitionArn,
        "ecs-task-container": container.name,
        "ecs-task-instance": task.taskArn,
      };
      if (task.group?.startsWith("service:") === true)
        metadata["ecs-service"] = task.group.slice("service:".length);
      if (typeof task.containerInstanceArn === "string")
        metadata["ecs-container-instance"] = task.containerInstanceArn;
      if (host !== undefined) metadata["ec2-instance-id"] = host.instance;
      services.add(
        service,
        endpointWith({
          ip,
          port: reached,
          region,
          zone: task.availabilityZone ?? "",
          version: others["version"] ?? "",
          health: task.healthStatus === "UNHEALTHY" ? "unhealthy" : "healthy",
          metadata,
        }),
      );
    }
  }
}
