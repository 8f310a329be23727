import { existsSync } from "node:fs";
import { join } from "node:path";
import { upConfigSchema, type UpConfig } from "./up-config.ts";

/** The mesh of `weft up --demo`: `orders` calls `users` through its sidecar, `web` is the front page. */
export function demoConfig(): UpConfig {
  const source = join(import.meta.dirname, "sample-service.ts");
  const program = existsSync(source) ? source : join(import.meta.dirname, "sample-service.js");
  const command = [process.execPath, program];
  return upConfigSchema.parse({
    services: {
      users: { command: [...command, "users"], instances: 2, lease_seconds: 10 },
      orders: { command: [...command, "orders"], lease_seconds: 10 },
      web: { command: [...command, "web"], lease_seconds: 10 },
    },
    routes: [
      { prefix: "/users", service: "users" },
      { prefix: "/orders", service: "orders" },
      { path: "/", service: "web" },
    ],
  });
}
