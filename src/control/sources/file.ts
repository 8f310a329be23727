import { readdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { loadConfig } from "../../base/load-config.ts";
import { directoryChanges } from "../directory-changes.ts";
import { SERVICE_NAME, type Endpoint, type Reading, type ServiceReading } from "../model.ts";
import type { DiscoverySourceDef } from "../source.ts";

const instance = z.strictObject({
  ip: z.string().refine((ip) => isIP(ip) !== 0, "must be an IPv4 or IPv6 address"),
  port: z.int().min(1).max(65_535),
  weight: z.int().min(1).max(65_535).default(1),
  region: z.string().default(""),
  zone: z.string().default(""),
  version: z.string().default(""),
  health: z.enum(["healthy", "unhealthy", "degraded", "draining"]).default("healthy"),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

/** One file: services by name, each with all of its instances. An empty list is meant: the service has none. */
const fileSchema = z.strictObject({
  services: z.record(
    z.string().regex(SERVICE_NAME, "must be a service name"),
    z.strictObject({ instances: z.array(instance) }),
  ),
});

/**
 * A directory of YAML or JSON files. Replace files by rename, so that no half-written one is read; a file that cannot
 * be read makes the whole reading an error, and what was known stays.
 */
export const fileSource: DiscoverySourceDef = {
  name: "file",
  options: [{ name: "path", description: "directory of .yaml, .yml and .json files", required: true }],
  async *watch(options, { signal, log }) {
    const directory = options["path"]!;
    let last = "";
    for await (const _ of directoryChanges(directory, signal)) {
      const reading = await readDirectory(directory);
      const failed = reading.kind === "error";
      const shown = failed ? reading.error : JSON.stringify([...reading.services]);
      if (failed && shown !== last) log.warn(`${reading.error}; keeping what is known`);
      last = shown;
      yield reading;
    }
  },
};

async function readDirectory(directory: string): Promise<Reading> {
  try {
    const names = (await readdir(directory)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
    const services = new Map<string, ServiceReading>();
    const owners = new Map<string, string>();
    for (const name of names) {
      const file = join(directory, name);
      const content = loadConfig(fileSchema, await readFile(file, "utf8"), file);
      for (const [service, { instances }] of Object.entries(content.services)) {
        const owner = owners.get(service);
        if (owner !== undefined)
          throw new Error(`Cannot load "${file}": service "${service}" is already in "${owner}"`);
        owners.set(service, file);
        services.set(service, { endpoints: instances satisfies readonly Endpoint[], confirmed: true });
      }
    }
    return { kind: "ok", services };
  } catch (error) {
    return { kind: "error", error: error instanceof Error ? error.message : String(error) };
  }
}
