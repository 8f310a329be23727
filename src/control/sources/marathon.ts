import { z } from "zod";
import type { EndpointHealth, Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { addInstance } from "./shared/add-instance.ts";
import { follow, poll } from "./shared/follow.ts";
import { HostAddresses } from "./shared/host-addresses.ts";
import { HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { readItems } from "./shared/read-items.ts";
import { secretOf } from "../../base/secret.ts";
import { ServiceMap } from "./shared/service-map.ts";
import { warnOnce } from "./shared/warn-once.ts";

const taskSchema = z.object({
  id: z.string().default(""),
  host: z.string(),
  state: z.string().default("TASK_RUNNING"),
  version: z.string().default(""),
  ports: z
    .array(z.int())
    .nullish()
    .transform((value) => value ?? []),
  ipAddresses: z.array(z.object({ ipAddress: z.string() })).nullish(),
  healthCheckResults: z.array(z.object({ alive: z.boolean() }).nullable()).nullish(),
});

const appSchema = z.object({
  id: z.string(),
  version: z.string().default(""),
  instances: z.int().default(1),
  labels: z
    .record(z.string(), z.string())
    .nullish()
    .transform((value) => value ?? {}),
  cpus: z.number().optional(),
  mem: z.number().optional(),
  disk: z.number().optional(),
  networks: z.array(z.object({ mode: z.string().default("") })).nullish(),
  container: z
    .object({ portMappings: z.array(z.object({ containerPort: z.int().default(0) })).nullish() })
    .nullish(),
  healthChecks: z.array(z.unknown()).nullish(),
  tasks: z.unknown(),
});

type App = z.infer<typeof appSchema>;
type Task = z.infer<typeof taskSchema>;

/**
 * Marathon (also in DC/OS), with Rotor's labels. An app that is scaled to no instances is stated to be empty; tasks that
 * are merely missing are not.
 */
export const marathonSource = defineSource({
  name: "marathon",
  description: "apps of Marathon and DC/OS that have a label",
  options: {
    url: {
      kind: "url",
      required: true,
      description: "address of Marathon; in DC/OS https://HOST/service/marathon",
    },
    token: { secret: true, description: "DC/OS access token" },
    label: { default: "tbn_cluster", description: "label of an app that names its service" },
    group_prefix: { description: "only apps whose id begins with this" },
    selector: { description: "only apps that this label selector takes, e.g. tier==web" },
    port_index: { kind: "number", default: "0", description: "which of a task's ports to take" },
    interval: { kind: "duration", default: "10s", min: 10, description: "time between questions" },
    timeout: { kind: "duration", default: "10s", min: 1, description: "longest wait for an answer" },
    ...tlsOptions,
  },
  watch(options, context) {
    const warn = warnOnce(context.log);
    const hosts = new HostAddresses(warn);
    const query = new URLSearchParams({
      embed: "apps.tasks",
      ...(options.selector !== "" && { label: options.selector }),
    }).toString();
    return follow(`marathon ${options.url}`, context, async function* (signal) {
      const client = new HttpClient({
        url: options.url,
        tls: options,
        async headers(): Promise<Record<string, string>> {
          const token = await secretOf(options.token);
          return token === "" ? {} : { authorization: `token=${token}` };
        },
      });
      signal.addEventListener("abort", () => client.close());
      yield* poll(options.interval, async (): Promise<Reading> => {
        const answer = await client.json(`/v2/apps?${query}`, { signal, timeoutMs: options.timeout });
        const parsed = z.object({ apps: z.unknown() }).safeParse(answer);
        if (!parsed.success) throw new Error("the answer to /v2/apps is not one of Marathon");
        const services = new ServiceMap();
        const apps = readItems(appSchema, parsed.data.apps, "the apps", warn);
        // Which service such an app is of cannot be known.
        if (apps.bad > 0) throw new Error(`${apps.bad} apps make no sense`);
        const scaled = new Map<string, boolean>();
        for (const app of apps.items) {
          const service = app.labels[options.label] ?? "";
          if (service === "" || !app.id.startsWith(options.group_prefix)) continue;
          const { items, bad } = readItems(taskSchema, app.tasks ?? [], `app "${app.id}"`, warn);
          for (let i = 0; i < bad; i++) services.addUnreadable(service);
          for (const task of items) {
            if (task.state !== "TASK_RUNNING") continue;
            const place = placeOf(app, task, options.port_index);
            if (place === undefined) services.addUnreadable(service);
            else await addInstance(services, service, { ...place, ...fieldsOf(app, task) }, hosts);
          }
          // With as many tasks as it shall have, it has no more on purpose.
          scaled.set(service, (scaled.get(service) ?? true) && items.length >= app.instances);
        }
        for (const [service, whole] of scaled) services.know(service, whole);
        return { kind: "ok", services: services.readings() };
      })(signal);
    });
  },
});

/** A task's port on its host; of a container with an address of its own, the container's. */
function placeOf(app: App, task: Task, index: number): { host: string; port: number } | undefined {
  const own = task.ipAddresses?.[0]?.ipAddress;
  if (own !== undefined && app.networks?.some(({ mode }) => mode === "container") === true) {
    const port = app.container?.portMappings?.[index]?.containerPort;
    return port === undefined ? undefined : { host: own, port };
  }
  const port = task.ports[index];
  return port === undefined ? undefined : { host: task.host, port };
}

function fieldsOf(app: App, task: Task) {
  const results = task.healthCheckResults ?? [];
  const checked = (app.healthChecks ?? []).length > 0;
  const alive = results.length > 0 && results.every((result) => result?.alive === true);
  const health: EndpointHealth = !checked || alive ? "healthy" : "unhealthy";
  const metadata: Record<string, string | number> = {
    ...app.labels,
    "app/id": app.id,
    "app/version": app.version,
  };
  for (const [key, value] of Object.entries({ cpus: app.cpus, mem: app.mem, disk: app.disk }))
    if (value !== undefined) metadata[`app/required_${key}`] = value;
  return { health, metadata, version: app.labels["version"] ?? "" };
}
