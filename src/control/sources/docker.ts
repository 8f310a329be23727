import { z } from "zod";
import type { EndpointHealth, Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { addInstance } from "./shared/add-instance.ts";
import { follow, pause } from "./shared/follow.ts";
import { HostAddresses } from "./shared/host-addresses.ts";
import { HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { Pulse } from "./shared/pulse.ts";
import { readItems } from "./shared/read-items.ts";
import { RememberedServices } from "./shared/remembered-services.ts";
import { ServiceMap } from "./shared/service-map.ts";
import { warnOnce } from "./shared/warn-once.ts";

const container = z.object({
  Id: z.string(),
  Names: z.array(z.string()).default([]),
  Image: z.string().default(""),
  State: z.string().default("running"),
  Status: z.string().default(""),
  Labels: z
    .record(z.string(), z.string())
    .nullish()
    .transform((value) => value ?? {}),
  Ports: z
    .array(
      z.object({
        IP: z.string().optional(),
        PrivatePort: z.int(),
        PublicPort: z.int().optional(),
        Type: z.string(),
      }),
    )
    .nullish()
    .transform((value) => value ?? []),
  NetworkSettings: z
    .object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string().default("") })).nullish() })
    .nullish(),
});

type Container = z.infer<typeof container>;

const API = "/v1.41";
/** Events of one moment are looked at together. */
const SETTLE_MS = 50;
/** Containers are listed this often even without an event. */
const RESYNC_MS = 30_000;
const EVENTS = ["start", "die", "pause", "unpause", "destroy", "rename", "update", "health_status"];

/**
 * Containers of a Docker Engine (or of Podman's equal API) that carry a label, by its events. The engine knows what
 * runs, so containers that are gone are gone; only the first look after it could not be reached is doubted.
 */
export const dockerSource = defineSource({
  name: "docker",
  description: "containers of a Docker Engine that have a label, by its events",
  options: {
    url: {
      kind: "url",
      default: "unix:///var/run/docker.sock",
      description: "the engine's socket or address",
    },
    service_label: {
      default: "weft.service",
      description: "label that names the service, or several as SERVICE:PORT,SERVICE:PORT",
    },
    port_label: {
      default: "weft.port",
      description: "label with the container's port; without it, the lowest port that the container exposes",
    },
    network: { description: "network whose address is taken; default: the first that has one" },
    published: {
      description: "take published ports, at this address of the engine's host, in place of networks",
    },
    zone: { description: "zone of all containers without a label weft.zone" },
    timeout: { kind: "duration", default: "10s", min: 10, description: "longest wait for an answer" },
    ...tlsOptions,
  },
  watch(options, context) {
    const warn = warnOnce(context.log);
    const hosts = new HostAddresses(warn);
    const remembered = new RememberedServices();
    return follow(`docker ${options.url}`, context, async function* (signal): AsyncGenerator<Reading> {
      const client = new HttpClient({ url: options.url, tls: options });
      signal.addEventListener("abort", () => client.close());
      const pulse = new Pulse();
      let broken: unknown;
      void followEvents(client, signal, () => pulse.notify()).catch((error: unknown) => {
        broken = error;
        pulse.notify();
      });
      const filters = JSON.stringify({ label: [options.service_label] });
      for (let confirmed = false; !signal.aborted; confirmed = true) {
        const list = await client.json(`${API}/containers/json?filters=${encodeURIComponent(filters)}`, {
          signal,
          timeoutMs: options.timeout,
        });
        const services = new ServiceMap();
        const { items, bad } = readItems(container, list, "the containers", warn);
        if (bad > 0) throw new Error(`${bad} containers in the list make no sense`);
        for (const each of items) await addContainer(services, each, options, hosts, warn);
        for (const name of remembered.note(services.readings().keys())) services.know(name, confirmed);
        yield { kind: "ok", services: services.readings() };
        await pulse.wait(signal, RESYNC_MS);
        if (broken !== undefined) throw broken;
        await pause(SETTLE_MS, signal);
      }
    });
  },
});

/** Calls back for each event. Throws an Error when the events end. */
async function followEvents(client: HttpClient, signal: AbortSignal, onEvent: () => void): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ type: ["container"], event: EVENTS }));
  // Also those of a moment ago, so that nothing is lost between this call and the first list.
  const since = Math.floor(Date.now() / 1000) - 1;
  for await (const _ of client.lines(`${API}/events?since=${since}&filters=${filters}`, {
    signal,
    timeoutMs: 86_400_000,
  }))
    onEvent();
  throw new Error("the engine's events ended");
}

interface ContainerOptions {
  readonly service_label: string;
  readonly port_label: string;
  readonly network: string;
  readonly published: string;
  readonly zone: string;
}

async function addContainer(
  services: ServiceMap,
  each: Container,
  options: ContainerOptions,
  hosts: HostAddresses,
  warn: (message: string) => void,
): Promise<void> {
  const label = each.Labels[options.service_label] ?? "";
  const name = each.Names[0]?.replace(/^\//, "") ?? each.Id.slice(0, 12);
  const metadata: Record<string, string> = { container: name, image: each.Image };
  for (const [key, value] of Object.entries(each.Labels))
    if (key.startsWith("weft.meta.")) metadata[key.slice("weft.meta.".length)] = value;
  const weight = Number(each.Labels["weft.weight"] ?? 1);
  for (const part of label.split(",").map((text) => text.trim())) {
    const colon = part.lastIndexOf(":");
    const service = colon < 0 ? part : part.slice(0, colon);
    if (service === "") continue;
    const asked = Number(
      colon < 0 ? (each.Labels[options.port_label] ?? lowestPort(each)) : part.slice(colon + 1),
    );
    const place =
      options.published === "" ? networkPlace(each, asked, options) : publishedPlace(each, asked, options);
    if (place === undefined) {
      warn(`leaving out container "${name}" of "${service}": it has no address and port that could be used`);
      services.addUnreadable(service);
      continue;
    }
    const rest = {
      weight: Number.isInteger(weight) && weight > 0 && weight <= 65_535 ? weight : 1,
      zone: each.Labels["weft.zone"] ?? options.zone,
      version: each.Labels["weft.version"] ?? "",
      health: healthOf(each),
      metadata,
    };
    await addInstance(services, service, { ...place, ...rest }, hosts);
  }
}

interface Place {
  readonly host: string;
  readonly port: number;
}

function networkPlace(each: Container, port: number, { network }: ContainerOptions): Place | undefined {
  const networks = each.NetworkSettings?.Networks ?? {};
  const names = network === "" ? Object.keys(networks).sort() : [network];
  const host = names.map((name) => networks[name]?.IPAddress ?? "").find((ip) => ip !== "");
  return host === undefined || !(port > 0) ? undefined : { host, port };
}

function publishedPlace(each: Container, port: number, { published }: ContainerOptions): Place | undefined {
  const found = each.Ports.find(
    ({ PrivatePort, PublicPort }) => PrivatePort === port && PublicPort !== undefined,
  );
  return found === undefined ? undefined : { host: published, port: found.PublicPort! };
}

function lowestPort({ Ports }: Container): number {
  return Math.min(...Ports.filter(({ Type }) => Type === "tcp").map(({ PrivatePort }) => PrivatePort));
}

/** The list has health only in words: "Up 5 minutes (unhealthy)". */
function healthOf({ State, Status }: Container): EndpointHealth {
  if (State !== "running") return "unhealthy";
  return /\((unhealthy|health: starting)\)/.test(Status) ? "unhealthy" : "healthy";
}
