import { z } from "zod";
import { defineSource } from "../catalog/source.ts";
import { addInstance } from "./shared/add-instance.ts";
import { follow, poll } from "./shared/follow.ts";
import { HostAddresses } from "./shared/host-addresses.ts";
import { bearer, HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { Parts, type PartReading } from "./shared/parts.ts";
import { readItems } from "./shared/read-items.ts";
import { ServiceMap } from "./shared/service-map.ts";
import { Slots } from "./shared/slots.ts";
import { warnOnce } from "./shared/warn-once.ts";

/** The tags as lyft/discovery has them, and as Envoy's first version read them: all may be missing. */
const hostSchema = z.object({
  ip_address: z.string(),
  port: z.int(),
  revision: z.string().nullish(),
  tags: z
    .looseObject({
      az: z.string().nullish(),
      region: z.string().nullish(),
      canary: z.boolean().nullish(),
      load_balancing_weight: z.int().nullish(),
    })
    .nullish(),
});

const answerSchema = z.object({ hosts: z.unknown() });
const AT_ONCE = 16;

/**
 * A service that speaks the registration API of lyft/discovery (Envoy v1's SDS). It cannot list its services, so they
 * are named here; and since it answers alike for a service that is empty, unknown or lost, emptiness is never believed at
 * once.
 */
export const lyftSource = defineSource({
  name: "lyft",
  description: "lyft/discovery and others that answer GET /v1/registration/SERVICE",
  options: {
    url: { kind: "url", required: true, description: "address of the discovery service" },
    services: { kind: "list", required: true, description: "services to ask for" },
    interval: { kind: "duration", default: "5s", min: 10, description: "time between questions" },
    timeout: { kind: "duration", default: "5s", min: 1, description: "longest wait for an answer" },
    token: { secret: true, description: "bearer token" },
    ...tlsOptions,
  },
  watch(options, context) {
    const warn = warnOnce(context.log);
    const hosts = new HostAddresses(warn);
    const parts = new Parts();
    parts.expect(options.services);
    return follow(`discovery ${options.url}`, context, async function* (signal) {
      const client = new HttpClient({ url: options.url, tls: options, headers: () => bearer(options.token) });
      signal.addEventListener("abort", () => client.close());
      yield* poll(options.interval, async () => {
        const slots = new Slots(AT_ONCE);
        await Promise.all(
          options.services.map((service) =>
            slots.use(async () => {
              try {
                const path = `/v1/registration/${encodeURIComponent(service)}`;
                const answer = await client.json(path, { signal, timeoutMs: options.timeout });
                parts.set(service, await readService(service, answer, hosts, warn));
              } catch (error) {
                parts.fail(service, error);
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

async function readService(
  service: string,
  answer: unknown,
  hosts: HostAddresses,
  warn: (message: string) => void,
): Promise<PartReading> {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) throw new Error("the answer has no hosts");
  const services = new ServiceMap();
  services.know(service);
  const { items, bad } = readItems(hostSchema, parsed.data.hosts, `service "${service}"`, warn);
  for (let i = 0; i < bad; i++) services.addUnreadable(service);
  for (const { ip_address: host, port, revision, tags } of items) {
    const { az, region, canary, load_balancing_weight: weight, ...others } = tags ?? {};
    const metadata: Record<string, string | number | boolean> = {};
    for (const [key, value] of Object.entries({ ...others, canary })) {
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
        metadata[key] = value;
    }
    await addInstance(
      services,
      service,
      {
        host,
        port,
        weight: Math.min(100, Math.max(1, weight ?? 1)),
        region: region ?? "",
        zone: az ?? "",
        version: revision ?? "",
        metadata,
      },
      hosts,
    );
  }
  return services.readings();
}
