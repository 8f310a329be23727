import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Mesh } from "./mesh.ts";
import type { InstancePlan } from "./mesh-plan.ts";
import type { UpConfig } from "./up-config.ts";

const DEADLINE_MS = 40_000;
const POLL_MS = 40;

/** Settles when requests get through to every route. Throws an Error that names what is not ready. */
export async function waitUntilReady(
  mesh: Mesh,
  config: UpConfig,
  instances: readonly InstancePlan[],
): Promise<void> {
  const { places } = mesh.plan;
  const deadline = Date.now() + DEADLINE_MS;
  const answers = (name: string, url: string) =>
    until(name, deadline, async () => (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok);
  await Promise.all([
    answers("the registry", `${mesh.plan.registryUrl}/readyz`),
    answers("the control plane", `${mesh.plan.apiUrl}/readyz`),
    ...(config.auth.enabled
      ? [answers("the auth service", `http://127.0.0.1:${places.authAdmin}/readyz`)]
      : []),
    answers("the edge", `http://127.0.0.1:${places.edgeAdmin}/ready`),
    ...instances.map(({ name, admin }) =>
      answers(`the sidecar of ${name}`, `http://127.0.0.1:${admin}/ready`),
    ),
  ]);
  await until("an instance of every service", deadline, async () => {
    const { services } = (await (await fetch(`${mesh.plan.apiUrl}/v1/services`)).json()) as {
      services: { name: string; endpoints: unknown[] }[];
    };
    return Object.entries(config.services).every(([name, { instances: wanted, addresses }]) => {
      const count = services.find((service) => service.name === name)?.endpoints.length ?? 0;
      return count >= (addresses?.length ?? wanted);
    });
  });
  const headers = { authorization: `Bearer ${mesh.token}` };
  await Promise.all(
    config.routes.map(({ path, prefix }) =>
      until(`the route ${path ?? prefix}`, deadline, async () => {
        const response = await fetch(mesh.edgeUrl + (path ?? prefix!), {
          headers,
          signal: AbortSignal.timeout(2000),
        });
        await response.body?.cancel();
        return response.status !== 502 && response.status !== 503 && response.status !== 504;
      }),
    ),
  );
}

/** Settles when something listens on the port of 127.0.0.1. */
export async function waitForTcp(port: number): Promise<void> {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    const up = await promise;
    socket.destroy();
    if (up) return;
    await sleep(POLL_MS);
  }
}

async function until(what: string, deadline: number, check: () => Promise<boolean>): Promise<void> {
  for (;;) {
    try {
      if (await check()) return;
    } catch {
      // Not there yet.
    }
    if (Date.now() > deadline)
      throw new Error(`Cannot start the mesh: ${what} is not ready after ${DEADLINE_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}
