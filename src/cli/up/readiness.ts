import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../base/describe-error.ts";
import type { Mesh } from "./mesh.ts";
import type { InstancePlan } from "./mesh-plan.ts";
import type { UpConfig } from "./up-config.ts";

const DEADLINE_MS = 40_000;
const POLL_MS = 40;
/** Pauses grow to this, so that what never gets ready does not fill logs. */
const LONGEST_POLL_MS = 1000;

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
    for (const [name, { instances, addresses }] of Object.entries(config.services)) {
      const count = services.find((service) => service.name === name)?.endpoints.length ?? 0;
      const wanted = addresses?.length ?? instances;
      if (count < wanted) throw new Error(`"${name}" has ${count} of ${wanted}; see what it says above`);
    }
    return true;
  });
  const headers = { authorization: `Bearer ${mesh.token}` };
  await Promise.all(
    config.routes.map(({ path, prefix, service }) =>
      until(`the route ${path ?? prefix} to "${service}"`, deadline, async () => {
        const response = await fetch(mesh.edgeUrl + (path ?? prefix!), {
          headers,
          signal: AbortSignal.timeout(2000),
        });
        if (response.status < 502 || response.status > 504) {
          await response.body?.cancel();
          return true;
        }
        throw new Error(`the edge answers ${response.status}: ${await response.text()}`);
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
  let reason = "";
  for (let pause = POLL_MS; ; pause = Math.min(pause * 1.2, LONGEST_POLL_MS)) {
    try {
      if (await check()) return;
    } catch (error) {
      reason = `: ${describeError(error)}`;
    }
    if (Date.now() > deadline)
      throw new Error(`Cannot start the mesh: ${what} is not ready after ${DEADLINE_MS / 1000} s${reason}`);
    await sleep(pause);
  }
}
