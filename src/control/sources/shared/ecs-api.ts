// The part of the ECS API that tells which containers run where.
import { z } from "zod";
import type { AwsClient } from "./aws-client.ts";

const TARGET = "AmazonEC2ContainerServiceV20141113";
/** Most things that one call describes. */
const BATCH = 100;
const MAX_PAGES = 1000;

const next = z.string().nullish();
const clustersSchema = z.object({ clusterArns: z.array(z.string()), nextToken: next });
const arnsSchema = z.object({ taskArns: z.array(z.string()), nextToken: next });
const taskSchema = z.object({
  taskArn: z.string(),
  taskDefinitionArn: z.string(),
  containerInstanceArn: z.string().nullish(),
  availabilityZone: z.string().nullish(),
  group: z.string().nullish(),
  lastStatus: z.string(),
  healthStatus: z.string().nullish(),
  containers: z.array(
    z.object({
      name: z.string(),
      networkBindings: z
        .array(z.object({ containerPort: z.int().nullish(), hostPort: z.int().nullish() }))
        .nullish(),
      networkInterfaces: z
        .array(z.object({ privateIpv4Address: z.string().nullish(), ipv6Address: z.string().nullish() }))
        .nullish(),
    }),
  ),
});
const definitionSchema = z.object({
  taskDefinition: z.object({
    containerDefinitions: z.array(
      z.object({ name: z.string(), dockerLabels: z.record(z.string(), z.string()).nullish() }),
    ),
  }),
});
const hostsSchema = z.object({
  containerInstances: z.array(
    z.object({ containerInstanceArn: z.string(), ec2InstanceId: z.string().nullish() }),
  ),
});

export type EcsTask = z.infer<typeof taskSchema>;

/** Docker labels by container name. */
export type EcsLabels = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** ECS in one region. Every method throws an Error when something cannot be read. */
export class EcsApi {
  readonly #client: AwsClient;
  readonly #signal: AbortSignal;

  constructor(client: AwsClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async clusters(): Promise<string[]> {
    return (await this.#pages("ListClusters", {}, clustersSchema)).flatMap((page) => page.clusterArns);
  }

  async tasks(cluster: string): Promise<EcsTask[]> {
    const pages = await this.#pages("ListTasks", { cluster, desiredStatus: "RUNNING" }, arnsSchema);
    const tasks: EcsTask[] = [];
    for (const batch of batches(pages.flatMap((page) => page.taskArns))) {
      const described = await this.#call(
        "DescribeTasks",
        { cluster, tasks: batch },
        z.object({ tasks: z.array(taskSchema) }),
      );
      tasks.push(...described.tasks);
    }
    return tasks;
  }

  async labels(definition: string): Promise<EcsLabels> {
    const { taskDefinition } = await this.#call(
      "DescribeTaskDefinition",
      { taskDefinition: definition },
      definitionSchema,
    );
    return new Map(
      taskDefinition.containerDefinitions.map(({ name, dockerLabels }) => [name, dockerLabels ?? {}]),
    );
  }

  /** EC2 instances by the container instances that they are. */
  async hosts(cluster: string, arns: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const containerInstances of batches(arns)) {
      const answer = await this.#call(
        "DescribeContainerInstances",
        { cluster, containerInstances },
        hostsSchema,
      );
      for (const { containerInstanceArn, ec2InstanceId } of answer.containerInstances)
        if (typeof ec2InstanceId === "string") found.set(containerInstanceArn, ec2InstanceId);
    }
    return found;
  }

  async #pages<T extends { nextToken?: string | null | undefined }>(
    operation: string,
    body: object,
    schema: z.ZodType<T>,
  ): Promise<T[]> {
    const pages: T[] = [];
    let token: string | undefined;
    for (let i = 0; i < MAX_PAGES; i++) {
      const page = await this.#call(
        operation,
        { ...body, ...(token !== undefined && { nextToken: token }) },
        schema,
      );
      pages.push(page);
      token = page.nextToken ?? undefined;
      if (token === undefined) return pages;
    }
    throw new Error(`${operation} gives more than ${MAX_PAGES} pages`);
  }

  async #call<T>(operation: string, body: object, schema: z.ZodType<T>): Promise<T> {
    const parsed = schema.safeParse(await this.#client.json(`${TARGET}.${operation}`, body, this.#signal));
    if (!parsed.success) throw new Error(`the answer is not one of ECS to ${operation}`);
    return parsed.data;
  }
}

function batches(arns: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(arns.length / BATCH) }, (_, i) =>
    arns.slice(i * BATCH, (i + 1) * BATCH),
  );
}
