import type { Context } from "hono";
import { isLive } from "../model.ts";
import type { Instance, InstanceSpec, InstanceState } from "../model.ts";
import { Refusal } from "../refusal.ts";
import type { Registry } from "../registry.ts";
import { checkFields } from "./fields.ts";
import type { Checked, Fields } from "./fields.ts";
import { instanceJson } from "./instance-json.ts";
import type { Operation } from "./operation.ts";
import { instanceOf, readJson, serviceOf } from "./request.ts";

const maxWeight = 65_535;
const states = ["up", "draining", "expired", "deregistered"] as const satisfies readonly InstanceState[];

const weight = {
  type: "integer",
  min: 1,
  max: maxWeight,
  description: "Share of traffic; 1 when new",
} as const;
const health = {
  type: "choice",
  of: ["healthy", "unhealthy", "degraded"],
  description: "As the instance sees itself",
} as const;
const reason = { type: "text", max: 200, description: "Why, for people" } as const;

const registration = {
  zone: { type: "text", max: 128, description: "Availability zone" },
  region: { type: "text", max: 128, description: "Region" },
  weight,
  version: { type: "text", max: 128, description: "What is deployed" },
  metadata: {
    type: "labels",
    description: "For subsets and for people; reaches proxies as envoy.lb metadata",
  },
  health,
  lease_seconds: { type: "integer", min: 1, max: 86_400, description: "How long it stays without renewal" },
} as const satisfies Fields;
const drainBody = { reason } as const;
const weightBody = { weight: { ...weight, required: true } } as const;
const healthBody = { health: { ...health, required: true } } as const;

const stateQuery = {
  state: {
    type: "choice",
    of: ["live", "all", ...states],
    description: "Which states; live (up and draining) when left out",
  },
} as const satisfies Fields;

/** Registration, leases, drains, weights, health and lists. */
export function instanceOperations(registry: Registry, bodyLimit: number): Operation[] {
  const instances = "/v1/services/:service/instances";
  const one = `${instances}/:address`;
  const { store } = registry;

  const body = async <F extends Fields>(context: Context, fields: F) =>
    checkFields(await readJson(context, bodyLimit), fields);
  const show = (context: Context, instance: Instance, status: 200 | 201 = 200) => {
    context.header("x-weft-index", String(store.revision));
    return context.json(instanceJson(instance), status);
  };
  const changed = "The instance as it is now";
  const unknown = "Not registered";
  const gone = "It is expired or deregistered: register it again";
  const bad = "A field is wrong; the body names it and what is allowed";

  return [
    {
      method: "PUT",
      path: one,
      id: "register",
      summary: "Register an instance, or register it again; what is left out keeps its value",
      access: "write",
      body: registration,
      replies: { 200: "It was live and is renewed", 201: "It is new, or back", 400: bad },
      async handle(context) {
        const id = instanceOf(context);
        const given = specOf(await body(context, registration));
        const { instance, created } = await registry.register(id, given);
        return show(context, instance, created ? 201 : 200);
      },
    },
    {
      method: "GET",
      path: one,
      id: "getInstance",
      summary: "One instance, in whatever state",
      access: "read",
      replies: { 200: "The instance", 404: unknown },
      handle: async (context) => show(context, await registry.get(instanceOf(context))),
    },
    {
      method: "DELETE",
      path: one,
      id: "deregister",
      summary: "Take an instance away; its record stays for the retention time",
      access: "write",
      query: drainBody,
      replies: { 200: changed, 404: unknown },
      async handle(context) {
        const query = checkFields(context.req.query(), drainBody);
        return show(
          context,
          await registry.deregister(instanceOf(context), query.reason ?? "deregistered by request"),
        );
      },
    },
    {
      method: "POST",
      path: `${one}/renew`,
      id: "renew",
      summary: "Renew the lease; brings an expired instance back",
      access: "write",
      replies: {
        200: changed,
        404: `${unknown}: register it`,
        409: "It was deregistered: register it again",
      },
      handle: async (context) => show(context, await registry.renew(instanceOf(context))),
    },
    {
      method: "POST",
      path: `${one}/drain`,
      id: "drain",
      summary: "Send it no new traffic",
      access: "write",
      body: drainBody,
      replies: { 200: changed, 404: unknown, 409: gone },
      async handle(context) {
        const given = await body(context, drainBody);
        return show(context, await registry.drain(instanceOf(context), given.reason ?? "drained by request"));
      },
    },
    {
      method: "DELETE",
      path: `${one}/drain`,
      id: "undrain",
      summary: "Take a drain back",
      access: "write",
      replies: { 200: changed, 404: unknown, 409: gone },
      handle: async (context) => show(context, await registry.undrain(instanceOf(context))),
    },
    {
      method: "PUT",
      path: `${one}/weight`,
      id: "setWeight",
      summary: "Set the weight",
      access: "write",
      body: weightBody,
      replies: { 200: changed, 400: bad, 404: unknown, 409: gone },
      async handle(context) {
        const given = await body(context, weightBody);
        return show(context, await registry.setWeight(instanceOf(context), given.weight));
      },
    },
    {
      method: "PUT",
      path: `${one}/health`,
      id: "setHealth",
      summary: "Set the health",
      access: "write",
      body: healthBody,
      replies: { 200: changed, 400: bad, 404: unknown, 409: gone },
      async handle(context) {
        const given = await body(context, healthBody);
        return show(context, await registry.setHealth(instanceOf(context), given.health));
      },
    },
    {
      method: "GET",
      path: "/v1/services",
      id: "listServices",
      summary: "All known services, with how many instances are in which state",
      access: "read",
      replies: { 200: "Services by name" },
      async handle(context) {
        const index = store.revision;
        const names = await store.services();
        const services = await Promise.all(
          names.map(async (service) => ({
            service,
            instances: countStates((await store.list(service)) ?? []),
          })),
        );
        return context.json({ index, services });
      },
    },
    {
      method: "GET",
      path: instances,
      id: "listInstances",
      summary: "The instances of a service; an empty list when it has none",
      access: "read",
      query: stateQuery,
      replies: { 200: "The instances, maybe none", 400: bad, 404: "No such service was ever registered" },
      async handle(context) {
        const service = serviceOf(context);
        const keep = stateFilter(context);
        const index = store.revision;
        const found = await store.list(service);
        if (found === undefined) throw new Refusal(404, `service "${service}" is not known`);
        return context.json({ index, service, instances: found.filter(keep).map(instanceJson) });
      },
    },
    {
      method: "DELETE",
      path: "/v1/services/:service",
      id: "forgetService",
      summary: "Forget a service that has no live instances",
      access: "write",
      replies: { 204: "Forgotten", 404: "Not known", 409: "It has live instances" },
      async handle(context) {
        const service = serviceOf(context);
        if (await store.forget(service)) return context.body(null, 204);
        throw new Refusal(404, `service "${service}" is not known`);
      },
    },
    {
      method: "GET",
      path: "/v1/instances",
      id: "listAllInstances",
      summary: "The instances of all services",
      access: "read",
      query: stateQuery,
      replies: { 200: "The instances", 400: bad },
      async handle(context) {
        const keep = stateFilter(context);
        const index = store.revision;
        return context.json({ index, instances: (await store.all()).filter(keep).map(instanceJson) });
      },
    },
  ];
}

function specOf(given: Checked<typeof registration>): Partial<InstanceSpec> {
  const { lease_seconds: leaseSeconds, ...spec } = given;
  return leaseSeconds === undefined ? spec : { ...spec, leaseSeconds };
}

function stateFilter(context: Context): (instance: Instance) => boolean {
  const wanted = checkFields(context.req.query(), stateQuery).state ?? "live";
  if (wanted === "all") return () => true;
  return wanted === "live" ? isLive : (instance) => instance.state === wanted;
}

function countStates(instances: readonly Instance[]): Record<InstanceState, number> {
  const counts = { up: 0, draining: 0, expired: 0, deregistered: 0 };
  for (const { state } of instances) counts[state]++;
  return counts;
}
