import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { parseSource } from "../catalog/source.ts";
import { registrySource } from "./registry.ts";

const instance = (port: number, state: string) => ({
  type: "put",
  instance: {
    service: "users",
    address: `10.0.0.1:${port}`,
    ip: "10.0.0.1",
    port,
    zone: "",
    region: "",
    weight: 1,
    version: "",
    metadata: {},
    health: "healthy",
    state,
  },
});

test("registrySource.watch() confirms what was deregistered or deleted, not what expired", async (t) => {
  const batches: object[][] = [
    [instance(1, "up"), instance(2, "up"), instance(3, "draining")],
    [instance(1, "expired")],
    [instance(1, "deregistered")],
    [{ type: "removed", service: "users", address: "10.0.0.1:1" }],
    [instance(2, "deregistered"), instance(3, "deregistered")],
    [{ type: "forgotten", service: "users" }],
    [instance(4, "up")],
  ];
  const server = createServer((request, response) => {
    const index = Number(new URL(request.url!, "http://x").searchParams.get("index"));
    const changes = batches[index];
    if (changes === undefined) return response.writeHead(500).end("no more");
    return response.end(JSON.stringify({ index: index + 1, reset: index === 0, services: [], changes }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stopping = new AbortController();
  const log = { info() {}, warn() {} };
  const seen: string[] = [];
  for await (const reading of registrySource.watch(
    parseSource(`registry:url=${url}`, [registrySource], {}).options,
    { signal: stopping.signal, log },
  )) {
    if (reading.kind === "error") {
      seen.push(reading.error);
      stopping.abort();
      break;
    }
    const users = reading.services.get("users");
    const deleted = reading.deleted?.has("users") ? " deleted" : "";
    seen.push(
      `${users?.endpoints.map((e) => `${e.port}${e.health[0]}`).join()} ${users?.confirmed}${deleted}`,
    );
  }
  assert.deepEqual(seen, [
    "1h,2h,3d true",
    "2h,3d false",
    "2h,3d true",
    "2h,3d true",
    " true",
    "undefined undefined deleted",
    "4h true",
    "HTTP 500: no more",
  ]);
});
