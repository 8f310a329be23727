import { isIP } from "node:net";
import type { Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { AwsClient, awsOptions } from "./shared/aws-client.ts";
import { AwsCredentialChain } from "./shared/aws-credentials.ts";
import { describeInstances, type Ec2Instance } from "./shared/ec2-instances.ts";
import { follow, poll } from "./shared/follow.ts";
import { endpointWith, ServiceMap } from "./shared/service-map.ts";

/**
 * EC2 instances by tags, as Rotor read them: a tag `tbn:cluster:users:8080` puts the instance's private address and that
 * port into the service "users". Instances that shut down drain. What the list lacks is never a stated loss.
 */
export const ec2Source = defineSource({
  name: "ec2",
  description: "EC2 instances that have tags",
  options: {
    ...awsOptions,
    vpc: { description: "only instances of this VPC" },
    filters: {
      kind: "pairs",
      description: "only instances that these filters of DescribeInstances take, NAME=VALUE",
    },
    tag_prefix: {
      default: "tbn:cluster",
      description: "tags are PREFIX:SERVICE:PORT, and PREFIX:SERVICE:PORT:KEY for metadata",
    },
  },
  check({ filters }) {
    for (const item of filters)
      if (!/^[^=]+=./.test(item)) throw new Error(`"${item}" in "filters" must be NAME=VALUE`);
  },
  watch(options, context) {
    const chain = new AwsCredentialChain(options.region);
    const filters: (readonly [string, readonly string[]])[] = options.filters.map((item) => {
      const equals = item.indexOf("=");
      return [item.slice(0, equals), [item.slice(equals + 1)]];
    });
    filters.push(["instance-state-name", ["running", "shutting-down", "stopping"]]);
    if (options.vpc !== "") filters.push(["vpc-id", [options.vpc]]);
    return follow(`EC2 ${options.region}`, context, async function* (signal) {
      const client = new AwsClient("ec2", "ec2", {
        region: options.region,
        url: options.endpoint,
        timeoutMs: options.timeout,
        chain,
      });
      signal.addEventListener("abort", () => client.close());
      yield* poll(options.interval, async (): Promise<Reading> => {
        const services = new ServiceMap();
        for (const instance of await describeInstances(client, filters, signal))
          addInstance(services, instance, options);
        return { kind: "ok", services: services.readings() };
      })(signal);
    });
  },
});

function addInstance(
  services: ServiceMap,
  { id, ip, state, zone, tags }: Ec2Instance,
  { tag_prefix: prefix, region }: { readonly tag_prefix: string; readonly region: string },
): void {
  const common: Record<string, string> = { instance_id: id };
  for (const [key, value] of tags) if (!key.startsWith(`${prefix}:`)) common[key] = value;
  for (const key of tags.keys()) {
    const [service = "", port = "", ...rest] = key.startsWith(`${prefix}:`)
      ? key.slice(prefix.length + 1).split(":")
      : [];
    if (service === "" || rest.length > 0) continue;
    const number = Number(port);
    if (isIP(ip) === 0 || !(Number.isInteger(number) && number > 0 && number < 65_536)) {
      services.addUnreadable(service);
      continue;
    }
    const metadata = { ...common };
    for (const [other, value] of tags)
      if (other.startsWith(`${key}:`)) metadata[other.slice(key.length + 1)] = value;
    const health = state === "running" ? "healthy" : "draining";
    const version = metadata["version"] ?? "";
    services.add(service, endpointWith({ ip, port: number, region, zone, version, health, metadata }));
  }
}
