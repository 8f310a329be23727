import type { Clock } from "../../base/clock.ts";
import { durationMs } from "../../proto/duration.ts";
import { GrpcClient } from "../../grpc/client.ts";
import type { MessageOf } from "../../proto/registry.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import { AdsClient } from "../../xds/ads-client.ts";
import { rememberingDecoder } from "../../xds/decode-resources.ts";
import { watchFile } from "../../xds/file-source.ts";
import { watchRest } from "../../xds/rest-source.ts";
import type { Node, Resource, Watch, WatchHandler } from "../../xds/source.ts";
import { ADS_PATH, XDS_TYPES, type XdsKind } from "../../xds/types.ts";
import type { AsyncClient, Logger } from "../api.ts";
import { clusterOf } from "../grpc-service.ts";
import type { ConfigSource } from "./subscription.ts";

type ApiConfigSource = MessageOf<"envoy.config.core.v3.ApiConfigSource">;

/** envoy.config.core.v3.ApiConfigSource.ApiType */
const API_TYPE = { rest: 1, grpc: 2, aggregatedGrpc: 5 } as const;

export interface ConfigSourcesOptions {
  readonly adsConfig: ApiConfigSource | undefined;
  readonly node: Node;
  /** Carries out calls to clusters of the bootstrap. */
  readonly calls: AsyncClient;
  readonly clock: Clock;
  random(): number;
  readonly stats: StatStore;
  logger(component: string): Logger;
  /**
   * What else is wrong with an endpoint assignment, a route configuration or a secret, such as fields without support; throws.
   * Clusters and listeners are checked one by one where they are applied, so that a bad one does not hold up others.
   */
  check(resource: Resource["message"]): void;
}

/** Opens what ConfigSources describe: the one ADS stream, streams per type, REST polling, files. */
export class ConfigSources {
  readonly #options: ConfigSourcesOptions;
  readonly #log: Logger;
  readonly #clients = new Set<AdsClient>();
  /** Found fit already: what did not change comes again as the same object. */
  readonly #fit = new WeakSet<Resource["message"]>();
  #ads: AdsClient | undefined;

  constructor(options: ConfigSourcesOptions) {
    this.#options = options;
    this.#log = options.logger("config");
  }

  /** Throws an Error if the source cannot be had. */
  watch(source: ConfigSource, kind: XdsKind, name: string | undefined, outer: WatchHandler): Watch {
    const handler = kind === "eds" || kind === "rds" || kind === "sds" ? this.#checked(outer) : outer;
    const specifier = source.configSourceSpecifier;
    const { clock } = this.#options;
    const common = { type: XDS_TYPES[kind], name, clock, decode: rememberingDecoder() };
    switch (specifier.case) {
      case "ads":
        return this.#adsClient().watch(kind, name, handler);
      case "apiConfigSource":
        return this.#watchApi(specifier.value, kind, name, handler);
      case "pathConfigSource": {
        const { path, watchedDirectory } = specifier.value;
        return watchFile({ ...common, path, watchedDirectory: watchedDirectory?.path }, handler);
      }
      case "path":
        return watchFile({ ...common, path: specifier.value, watchedDirectory: undefined }, handler);
      default:
        throw new Error(
          `a config source for ${kind} must be one of ads, api_config_source, path_config_source`,
        );
    }
  }

  /**
   * Keeps the acknowledgement of clusters on the ADS stream back while some are warming, as Envoy does: a control plane
   * takes it for the leave to send routes to them.
   */
  holdClusters(hold: boolean): void {
    if (hold) this.#ads?.pause("cds");
    else this.#ads?.resume("cds");
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #checked(handler: WatchHandler): WatchHandler {
    return {
      onAttempt: () => handler.onAttempt(),
      onResources: (resources, version) => {
        for (const { message } of resources) {
          if (this.#fit.has(message)) continue;
          this.#options.check(message);
          this.#fit.add(message);
        }
        handler.onResources(resources, version);
      },
      onFailure: (kind, detail) => handler.onFailure(kind, detail),
    };
  }

  #watchApi(api: ApiConfigSource, kind: XdsKind, name: string | undefined, handler: WatchHandler): Watch {
    const { clock, node, random, calls } = this.#options;
    const type = XDS_TYPES[kind];
    switch (api.apiType) {
      case API_TYPE.rest: {
        const cluster = api.clusterNames[0];
        if (cluster === undefined) throw new Error("a REST api_config_source must have a cluster name");
        if (api.refreshDelay === undefined)
          throw new Error("refresh_delay is required for REST API configuration sources");
        const options = {
          type,
          name,
          node,
          cluster,
          calls,
          clock,
          random,
          decode: rememberingDecoder(),
          refreshDelay: durationMs(api.refreshDelay),
          requestTimeout: durationMs(api.requestTimeout, 1000),
        };
        return watchRest(options, handler);
      }
      case API_TYPE.grpc: {
        const client = this.#client(api, type.streamPath);
        const watch = client.watch(kind, name, handler);
        return {
          close: () => {
            watch.close();
            client.close();
            this.#clients.delete(client);
          },
        };
      }
      case API_TYPE.aggregatedGrpc:
        return this.#adsClient().watch(kind, name, handler);
      default:
        throw new Error(`api_type ${api.apiType} is not supported: choose GRPC, REST or ads`);
    }
  }

  #adsClient(): AdsClient {
    const { adsConfig } = this.#options;
    if (adsConfig === undefined)
      throw new Error("ADS is used but the bootstrap has no dynamic_resources.ads_config");
    this.#ads ??= this.#client(adsConfig, ADS_PATH);
    return this.#ads;
  }

  #client(api: ApiConfigSource, path: string): AdsClient {
    const { clock, node, random, stats, calls } = this.#options;
    const servers = serversOf(api, calls);
    const names = clustersOf(api).join(", ");
    const connected = stats.gauge("control_plane.connected_state");
    stats.counter("control_plane.rate_limit_enforced");
    stats.gauge("control_plane.pending_requests");
    // A control plane that stays away is worth one warning, not one per attempt.
    let lastDetail = "";
    const client = new AdsClient({
      path,
      node,
      servers,
      clock,
      random,
      decode: rememberingDecoder(),
      onState: (up, detail) => {
        if (!up) {
          const text = `${path} gRPC config stream to ${names} closed: ${detail}`;
          if (detail === lastDetail) this.#log.debug(text);
          else this.#log.warn(text);
        } else if (connected.value === 0) this.#log.info(`${path} gRPC config stream to ${names} is up`);
        lastDetail = detail;
        connected.set(up ? 1 : 0);
      },
    });
    this.#clients.add(client);
    return client;
  }
}

/** Clusters of a gRPC source, in order of preference. Throws an Error if there is none. */
export function clustersOf(api: ApiConfigSource): string[] {
  const all = [...api.grpcServices.map(clusterOf), ...api.clusterNames];
  if (all.length === 0) throw new Error("a gRPC config source must name at least one cluster");
  return all;
}

/** The servers of a gRPC source. Their streams have no end. */
export function serversOf(api: ApiConfigSource, calls: AsyncClient): GrpcClient[] {
  return [
    ...api.grpcServices.map((service) => calls.grpc(service, 0)),
    ...api.clusterNames.map((cluster) => new GrpcClient(calls, { cluster })),
  ];
}
