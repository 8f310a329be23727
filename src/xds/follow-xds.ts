import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { GrpcChannel } from "../grpc/channel.ts";
import { GrpcClient } from "../grpc/client.ts";
import type { GrpcStatus } from "../grpc/status.ts";
import {
  decode,
  encode,
  findSchema,
  fromJson,
  TYPE_URL_PREFIX,
  typeNameOf,
  toJson,
  unpackAny,
  type MessageOf,
} from "../proto/registry.ts";

const ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService";
const SHORT: Readonly<Record<string, string>> = {
  clusters: "envoy.config.cluster.v3.Cluster",
  endpoints: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  listeners: "envoy.config.listener.v3.Listener",
  routes: "envoy.config.route.v3.RouteConfiguration",
  secrets: "envoy.extensions.transport_sockets.tls.v3.Secret",
  runtime: "envoy.service.runtime.v3.Runtime",
};

const DONE: GrpcStatus = { code: 0, message: "" };
/** How long a server may take to end the stream after us, so that it has read all that we said. */
const GOODBYE_MS = 1000;

/** One answer of a server. */
export interface XdsAnswer {
  readonly type: string;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly {
    readonly name: string;
    readonly version: string;
    readonly json: JsonValue;
  }[];
  readonly removed: readonly string[];
}

export interface FollowXdsOptions {
  readonly channel: GrpcChannel;
  readonly authority: string;
  readonly delta: boolean;
  /** Full names, or clusters, endpoints, listeners, routes, secrets, runtime. */
  readonly types: readonly string[];
  /** Resources to ask for; none = all. */
  readonly names: readonly string[];
  /** envoy.config.core.v3.Node in JSON form. */
  readonly node: JsonObject;
  /** Versions of the resources that the client has from an earlier stream, by name; only in delta. */
  readonly known?: Readonly<Record<string, string>>;
  /** Rejects every answer, with this reason. */
  readonly nack?: string;
  /** Ends when each type was answered. */
  readonly once: boolean;
  onResponse(answer: XdsAnswer): void;
}

/** Asks an xDS server over one aggregated stream and acknowledges, or rejects, what comes. Resolves at the stream's end. */
export async function followXds(options: FollowXdsOptions): Promise<GrpcStatus> {
  const types = options.types.map((type) => TYPE_URL_PREFIX + (SHORT[type] ?? type));
  const unknown = types.find((url) => findSchema(url.slice(TYPE_URL_PREFIX.length)) === undefined);
  if (unknown !== undefined)
    throw new Error(
      `Cannot ask for "${unknown.slice(TYPE_URL_PREFIX.length)}": give ${Object.keys(SHORT).join(", ")} or a type of Envoy's API`,
    );
  const waiting = new Set(types);
  const { promise, resolve } = Promise.withResolvers<GrpcStatus>();
  let leaving: NodeJS.Timeout | undefined;
  const client = new GrpcClient(options.channel, { cluster: "xds", authority: options.authority });
  const path = options.delta ? `${ADS}/DeltaAggregatedResources` : `${ADS}/StreamAggregatedResources`;
  const stream = client.open(path, {
    onMessage(message) {
      const answer = options.delta ? deltaAnswer(message) : answerOf(message);
      options.onResponse(answer);
      const url = TYPE_URL_PREFIX + answer.type;
      stream.send(request(options, url, answer));
      waiting.delete(url);
      if (!options.once || waiting.size > 0 || leaving !== undefined) return;
      stream.end();
      leaving = setTimeout(() => {
        stream.cancel();
        resolve(DONE);
      }, GOODBYE_MS);
    },
    onEnd(status) {
      clearTimeout(leaving);
      resolve(leaving === undefined ? status : DONE);
    },
  });
  for (const url of types) stream.send(request(options, url));
  return promise;
}

function request(options: FollowXdsOptions, typeUrl: string, answered?: XdsAnswer): Uint8Array {
  const { delta, names, node, nack, known = {} } = options;
  const rejects = answered !== undefined && nack !== undefined;
  const common: JsonObject = {
    node,
    type_url: typeUrl,
    ...(answered !== undefined && { response_nonce: answered.nonce }),
    ...(rejects && { error_detail: { code: 3, message: nack } }),
  };
  if (delta) {
    const subscribe: JsonObject =
      answered === undefined
        ? { resource_names_subscribe: [...names], initial_resource_versions: { ...known } }
        : {};
    const type = "envoy.service.discovery.v3.DeltaDiscoveryRequest";
    return encode(type, fromJson(type, { ...common, ...subscribe }));
  }
  const version: JsonObject = answered === undefined || rejects ? {} : { version_info: answered.version };
  const type = "envoy.service.discovery.v3.DiscoveryRequest";
  return encode(type, fromJson(type, { ...common, ...version, resource_names: [...names] }));
}

function answerOf(message: Buffer): XdsAnswer {
  const response = decode("envoy.service.discovery.v3.DiscoveryResponse", message);
  return {
    type: response.typeUrl.slice(TYPE_URL_PREFIX.length),
    version: response.versionInfo,
    nonce: response.nonce,
    resources: response.resources.map((any) => ({ ...opened(any), version: "" })),
    removed: [],
  };
}

function deltaAnswer(message: Buffer): XdsAnswer {
  const response = decode("envoy.service.discovery.v3.DeltaDiscoveryResponse", message);
  return {
    type: response.typeUrl.slice(TYPE_URL_PREFIX.length),
    version: response.systemVersionInfo,
    nonce: response.nonce,
    resources: response.resources.map(({ name, version, resource }) => ({
      ...(resource === undefined ? { json: null } : opened(resource)),
      name,
      version,
    })),
    removed: response.removedResources,
  };
}

function opened(any: MessageOf<"google.protobuf.Any">): { name: string; json: JsonValue } {
  const { message } = unpackAny(any)!;
  const { name, clusterName } = message as { name?: string; clusterName?: string };
  return { name: name ?? clusterName ?? "", json: toJson(typeNameOf(any) as never, message as never) };
}
