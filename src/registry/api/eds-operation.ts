import { hash } from "node:crypto";
import type { Logger } from "pino";
import { isLive } from "../model.ts";
import type { Instance } from "../model.ts";
import { Refusal } from "../refusal.ts";
import type { RegistryStore } from "../store.ts";
import type { Operation } from "./operation.ts";
import { readJson } from "./request.ts";

const typeUrl = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const maxNames = 10_000;
/** Envoy names all its extensions in each request: about 80 KB. */
const bodyLimit = 1_048_576;

/** Told about each poll. */
export interface EdsEvents {
  onPoll(result: "changed" | "unchanged"): void;
  onReject(): void;
}

interface Request {
  readonly node: string;
  readonly names: readonly string[];
  readonly version: string;
  readonly rejection: string | undefined;
}

/**
 * `POST /v3/discovery:endpoints`, Envoy's REST form of EDS: endpoints of the named clusters, whose names are services. The
 * version is a hash of the content, so that a proxy which has it already gets 304, from this registry or any other.
 */
export function edsOperation(store: RegistryStore, log: Logger, events: EdsEvents): Operation {
  const assignments = new Map<string, object>();
  const told = new Set<string>();
  let revision = -1;

  const assignmentOf = async (service: string): Promise<object | undefined> => {
    if (revision !== store.revision) {
      assignments.clear();
      ({ revision } = store);
    }
    let assignment = assignments.get(service);
    if (assignment === undefined) {
      const instances = await store.list(service);
      if (instances === undefined) return undefined;
      assignment = loadAssignment(service, instances);
      assignments.set(service, assignment);
    }
    return assignment;
  };

  const tellUnknown = (node: string, service: string) => {
    const key = `${node}\n${service}`;
    if (told.has(key)) return;
    if (told.size > 1000) told.clear();
    told.add(key);
    log.warn(
      { node, service },
      "a proxy asks for the endpoints of a service that was never registered: left out of the reply",
    );
  };

  return {
    method: "POST",
    path: "/v3/discovery:endpoints",
    id: "discoverEndpoints",
    summary:
      "Envoy's REST EDS: a DiscoveryRequest in JSON, answered by a DiscoveryResponse; unknown services are left out",
    access: "read",
    replies: {
      200: "A DiscoveryResponse",
      304: "The version_info of the request is still the current one",
      400: "Not a DiscoveryRequest",
    },
    async handle(context) {
      const request = parseRequest(await readJson(context, bodyLimit));
      if (request.rejection !== undefined) {
        events.onReject();
        log.warn({ node: request.node, error: request.rejection }, "a proxy rejected its endpoints");
      }
      const names = request.names.length > 0 ? request.names : await store.services();
      const resources: object[] = [];
      for (const name of names) {
        const assignment = await assignmentOf(name);
        if (assignment === undefined) tellUnknown(request.node, name);
        else resources.push({ "@type": typeUrl, ...assignment });
      }
      const content = JSON.stringify(resources);
      const version = hash("sha256", content).slice(0, 16);
      events.onPoll(version === request.version ? "unchanged" : "changed");
      if (version === request.version) return context.body(null, 304);
      return context.body(
        `{"version_info":"${version}","type_url":"${typeUrl}","nonce":"${version}","resources":${content}}`,
        200,
        {
          "content-type": "application/json",
        },
      );
    },
  };
}

/** Takes fields in both spellings of protobuf's JSON, `version_info` and `versionInfo`. */
function parseRequest(body: unknown): Request {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Refusal(400, "the body is no DiscoveryRequest", { allowed: "a JSON object" });
  }
  const fields = body as Record<string, unknown>;
  const names = fields["resource_names"] ?? fields["resourceNames"] ?? [];
  if (!Array.isArray(names) || names.length > maxNames || !names.every((name) => typeof name === "string")) {
    throw new Refusal(400, "resource_names is wrong", {
      field: "resource_names",
      allowed: `a list of at most ${maxNames} texts`,
    });
  }
  const type = fields["type_url"] ?? fields["typeUrl"] ?? typeUrl;
  if (type !== typeUrl)
    throw new Refusal(400, "type_url is not served here", { field: "type_url", allowed: typeUrl });
  const node = fields["node"] as { id?: unknown } | null | undefined;
  const error = (fields["error_detail"] ?? fields["errorDetail"]) as { message?: unknown } | null | undefined;
  return {
    node: textOf(node?.id),
    names,
    version: textOf(fields["version_info"] ?? fields["versionInfo"]),
    rejection: error === undefined || error === null ? undefined : textOf(error.message),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Endpoints by locality, in an order that depends on nothing but the content. */
function loadAssignment(service: string, instances: readonly Instance[]): object {
  const localities = new Map<string, Instance[]>();
  for (const instance of instances) {
    if (!isLive(instance)) continue;
    const key = JSON.stringify([instance.region, instance.zone]);
    const group = localities.get(key);
    if (group === undefined) localities.set(key, [instance]);
    else group.push(instance);
  }
  const endpoints = [...localities.keys()].toSorted().map((key) => {
    const group = localities.get(key)!.toSorted(compare);
    const [{ region, zone }] = group as [Instance];
    return {
      locality: { ...(region !== "" && { region }), ...(zone !== "" && { zone }) },
      lb_endpoints: group.map(lbEndpoint),
      load_balancing_weight: group.reduce((sum, one) => sum + one.weight, 0),
    };
  });
  return { cluster_name: service, ...(endpoints.length > 0 && { endpoints }) };
}

function lbEndpoint(instance: Instance): object {
  const { ip: address, port, version, metadata } = instance;
  const labels = { ...(version !== "" && { version }), ...metadata };
  return {
    endpoint: { address: { socket_address: { address, port_value: port } } },
    health_status: instance.state === "draining" ? "DRAINING" : instance.health.toUpperCase(),
    load_balancing_weight: instance.weight,
    ...(Object.keys(labels).length > 0 && { metadata: { filter_metadata: { "envoy.lb": labels } } }),
  };
}

function compare(a: Instance, b: Instance): number {
  if (a.ip !== b.ip) return a.ip < b.ip ? -1 : 1;
  return a.port - b.port;
}
