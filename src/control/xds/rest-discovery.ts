import { systemClock } from "../../base/clock.ts";
import { Hono } from "hono";
import { FRAME_PREFIX } from "../../grpc/frame.ts";
import { decode, fromJson, toJson } from "../../proto/registry.ts";
import { Interest } from "./interest.ts";
import { nodeIdentity } from "./node-identity.ts";
import { hash } from "./resource.ts";
import { ResourceChanges } from "./resource-changes.ts";
import { ResourceSet } from "./resource-set.ts";
import { RESOURCE_TYPES, servedType, typeDef, typeUrl, type ResourceTypeName } from "./resource-type.ts";
import { NodeRefused, type SnapshotSource } from "./snapshot.ts";

export interface RestDiscoveryParts {
  readonly snapshots: SnapshotSource;
  readonly ready: () => boolean;
  /** What is waited for while it is not ready. */
  readonly waiting: () => string;
}

const RESPONSE = "envoy.service.discovery.v3.DiscoveryResponse";

/** Types by their names in paths. */
const restTypes = new Map(
  RESOURCE_TYPES.flatMap((type) => {
    const { rest } = typeDef(type);
    return rest === undefined ? [] : [[rest, type] as const];
  }),
);

/** Answers by what they tell: polls of many nodes are answered with the same text. */
const answers = new WeakMap<ResourceChanges, string>();
const selections = new WeakMap<ResourceChanges, ResourceChanges>();

/** xDS by REST polling: `POST /v3/discovery:TYPE` (xds_protocol.rst, "REST-JSON polling subscriptions"). */
export function restDiscovery(parts: RestDiscoveryParts): Hono {
  const api = new Hono();
  api.post("/v3/:discovery{discovery:[a-z_-]+}", async (context) => {
    const name = context.req.param("discovery").slice("discovery:".length);
    if (name === "secrets")
      return context.json({ error: "secrets are served by gRPC alone, on the xDS port" }, 403);
    const type = restTypes.get(name);
    if (type === undefined) return context.json({ error: "unknown resource type" }, 404);
    if (!parts.ready()) return context.json({ error: parts.waiting() }, 503);
    try {
      const answer = restAnswer(parts.snapshots, type, await context.req.json());
      if (answer === undefined) return context.body(null, 304);
      return context.body(answer, 200, { "content-type": "application/json" });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return context.json({ error: text }, error instanceof NodeRefused ? 403 : 400);
    }
  });
  return api;
}

/** Undefined when the client has this version already. */
function restAnswer(snapshots: SnapshotSource, type: ResourceTypeName, body: unknown): string | undefined {
  const request = fromJson("envoy.service.discovery.v3.DiscoveryRequest", body as never);
  if (request.typeUrl !== "" && servedType(request.typeUrl) !== type) {
    throw new Error(`type_url is ${request.typeUrl}, this path serves ${typeUrl(type)}`);
  }
  const { sets } = snapshots.build(nodeIdentity(request.node, ""), systemClock.wall());
  const names = request.resourceNames.length === 0 ? ["*"] : request.resourceNames;
  const wanted = versioned((sets.get(type) ?? ResourceSet.of(type, [])).select(Interest.of(names)));
  if (request.versionInfo === wanted.version) return undefined;
  let answer = answers.get(wanted);
  if (answer === undefined) {
    // Through bytes, so that what REST clients see is exactly what the streams carry.
    const frame = Buffer.concat(wanted.encode("sotw", "").frame);
    const response = decode(RESPONSE, frame.subarray(FRAME_PREFIX));
    answer = JSON.stringify(toJson(RESPONSE, response));
    answers.set(wanted, answer);
  }
  return answer;
}

/** Under a version that is of these resources alone: a poll is answered only when one of them changed. */
function versioned(selection: ResourceChanges): ResourceChanges {
  let found = selections.get(selection);
  if (found === undefined) {
    const lines = selection.resources.map(({ name, version }) => `${name}=${version}`).sort();
    found = new ResourceChanges(selection.type, { version: hash(lines.join("\n")) }, selection.resources);
    selections.set(selection, found);
  }
  return found;
}
