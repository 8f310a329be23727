import type { AwsClient } from "./aws-client.ts";
import { xmlAll, xmlText } from "./xml.ts";

export interface Ec2Instance {
  readonly id: string;
  readonly ip: string;
  /** "running", "shutting-down", … */
  readonly state: string;
  readonly zone: string;
  readonly tags: ReadonlyMap<string, string>;
}

const MAX_PAGES = 1000;

/** All instances that filters take, page after page. Throws an Error when one page cannot be read. */
export async function describeInstances(
  client: AwsClient,
  filters: readonly (readonly [name: string, values: readonly string[]])[],
  signal: AbortSignal,
): Promise<Ec2Instance[]> {
  const form: Record<string, string> = {
    Action: "DescribeInstances",
    Version: "2016-11-15",
    MaxResults: "1000",
  };
  for (const [i, [name, values]] of filters.entries()) {
    form[`Filter.${i + 1}.Name`] = name;
    for (const [j, value] of values.entries()) form[`Filter.${i + 1}.Value.${j + 1}`] = value;
  }
  const instances: Ec2Instance[] = [];
  let token = "";
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await client.query(token === "" ? form : { ...form, NextToken: token }, signal);
    const [root] = xmlAll(answer, "DescribeInstancesResponse");
    if (root === undefined || !root.children.has("reservationSet"))
      throw new Error("the answer is not one of EC2 to DescribeInstances");
    for (const item of xmlAll(root, "reservationSet/item/instancesSet/item")) {
      instances.push({
        id: xmlText(item, "instanceId"),
        ip: xmlText(item, "privateIpAddress"),
        state: xmlText(item, "instanceState/name"),
        zone: xmlText(item, "placement/availabilityZone"),
        tags: new Map(xmlAll(item, "tagSet/item").map((tag) => [xmlText(tag, "key"), xmlText(tag, "value")])),
      });
    }
    token = xmlText(root, "nextToken");
    if (token === "") return instances;
  }
  throw new Error(`there are more than ${MAX_PAGES} pages of instances`);
}
