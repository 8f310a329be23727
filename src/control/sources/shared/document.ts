// The form in which files, HTTP servers, commands and etcd keys say where services live.
import { isIP } from "node:net";
import { z } from "zod";
import { loadConfig } from "../../../base/load-config.ts";
import { endpointWith } from "./service-map.ts";
import { SERVICE_NAME, type Endpoint, type ServiceReading } from "../../model.ts";

/** One instance. */
export const instanceSchema = z.strictObject({
  ip: z.string().refine((ip) => isIP(ip) !== 0, "must be an IPv4 or IPv6 address"),
  port: z.int().min(1).max(65_535),
  weight: z.int().min(1).max(65_535).default(1),
  region: z.string().default(""),
  zone: z.string().default(""),
  version: z.string().default(""),
  health: z.enum(["healthy", "unhealthy", "degraded", "draining"]).default("healthy"),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

/** All instances of one service. An empty list is meant: the service has none. */
export const serviceSchema = z.strictObject({ instances: z.array(instanceSchema) });

/** Services by name. */
const documentSchema = z.strictObject({
  services: z.record(z.string().regex(SERVICE_NAME, "must be a service name"), serviceSchema),
});

/** Rotor's form: a list of clusters. */
const rotorSchema = z.array(
  z.strictObject({
    cluster: z.string().regex(SERVICE_NAME, "must be a service name"),
    instances: z.array(
      z.strictObject({
        host: z.string().refine((ip) => isIP(ip) !== 0, "must be an IPv4 or IPv6 address"),
        port: z.int().min(1).max(65_535),
        metadata: z.array(z.strictObject({ key: z.string(), value: z.string() })).default([]),
      }),
    ),
  }),
);

/**
 * Reads a YAML or JSON document: services by name, or, when it is a list, clusters as Rotor's file collector read them.
 * Throws a ConfigError that names place, line and field.
 */
export function parseDocument(text: string, place: string): Map<string, ServiceReading> {
  if (/^\s*(\[|- )/.test(text.replaceAll(/^\s*#.*$/gm, ""))) return parseRotorDocument(text, place);
  const content = loadConfig(documentSchema, text, place);
  return new Map(
    Object.entries(content.services).map(([service, { instances }]) => [
      service,
      { endpoints: instances satisfies readonly Endpoint[], confirmed: true },
    ]),
  );
}

function parseRotorDocument(text: string, place: string): Map<string, ServiceReading> {
  const services = new Map<string, ServiceReading>();
  for (const { cluster, instances } of loadConfig(rotorSchema, text, place)) {
    if (services.has(cluster)) throw new Error(`Cannot load "${place}": cluster "${cluster}" is there twice`);
    const endpoints = instances.map(({ host, port, metadata }): Endpoint => {
      const labels = Object.fromEntries(metadata.map(({ key, value }) => [key, value]));
      return endpointWith({ ip: host, port, version: labels["version"] ?? "", metadata: labels });
    });
    services.set(cluster, { endpoints, confirmed: true });
  }
  return services;
}
