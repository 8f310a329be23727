import type { JsonValue } from "@bufbuild/protobuf";
import { V3_FILTERS } from "./v3-filters.ts";

export type JsonObject = { [key: string]: JsonValue };

const TYPE_URL = "type.googleapis.com/";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/**
 * Turns Envoy's v2 configuration, as Rotor's users wrote it, into v3: fields that moved, filters by their new names with
 * typed configuration, matchers with regular expressions. What it does not know it leaves as it is, so that Envoy's own check
 * names it; what has no v3 form is left out and noted.
 */
export class V2Converter {
  readonly notes: string[] = [];

  cluster(v2: JsonObject, place: string): JsonObject {
    const {
      hosts,
      tls_context: tls,
      http2_protocol_options: http2,
      http_protocol_options: http1,
      ...cluster
    } = v2;
    if (Array.isArray(hosts) && cluster["load_assignment"] === undefined) {
      cluster["load_assignment"] = {
        cluster_name: cluster["name"] ?? "",
        endpoints: [{ lb_endpoints: hosts.map((address) => ({ endpoint: { address } })) }],
      };
    }
    if (isObject(tls)) cluster["transport_socket"] = transportSocket("UpstreamTlsContext", tls);
    if (isObject(http2) || isObject(http1)) {
      const explicit: JsonObject = isObject(http2)
        ? { http2_protocol_options: http2 }
        : { http_protocol_options: http1! };
      cluster["typed_extension_protocol_options"] = {
        [HTTP_OPTIONS]: { "@type": TYPE_URL + HTTP_OPTIONS, explicit_http_config: explicit },
      };
    }
    const eds = cluster["eds_cluster_config"];
    if (isObject(eds))
      cluster["eds_cluster_config"] = { ...eds, eds_config: this.#source(eds["eds_config"], place) };
    return cluster;
  }

  listener(v2: JsonObject, place: string): JsonObject {
    const { deprecated_v1: _, ...listener } = v2;
    const chains = listener["filter_chains"];
    if (Array.isArray(chains))
      listener["filter_chains"] = chains.map((chain, i) =>
        isObject(chain) ? this.#chain(chain, `${place}.filter_chains[${i}]`) : chain,
      );
    const filters = listener["listener_filters"];
    if (Array.isArray(filters))
      listener["listener_filters"] = this.#filters(filters, `${place}.listener_filters`);
    return listener;
  }

  #chain(v2: JsonObject, place: string): JsonObject {
    const { tls_context: tls, ...chain } = v2;
    if (isObject(tls)) chain["transport_socket"] = transportSocket("DownstreamTlsContext", tls);
    const match = chain["filter_chain_match"];
    if (isObject(match) && Array.isArray(match["sni_domains"])) {
      const { sni_domains: names, ...rest } = match;
      chain["filter_chain_match"] = { ...rest, server_names: names };
    }
    if (Array.isArray(chain["filters"]))
      chain["filters"] = this.#filters(chain["filters"], `${place}.filters`);
    return chain;
  }

  #filters(list: readonly JsonValue[], place: string): JsonValue[] {
    return list.flatMap((filter, i): JsonValue[] => {
      if (!isObject(filter)) return [filter];
      const converted = this.#extension(filter, `${place}[${i}]`);
      return converted === undefined ? [] : [converted];
    });
  }

  /** A filter or an access log: `name` and `config` of v2, or a form that is good already. */
  #extension(v2: JsonObject, place: string): JsonObject | undefined {
    const { name, config, ...rest } = v2;
    if (typeof name !== "string") return v2;
    const known = V3_FILTERS[name];
    if (known === undefined) {
      if (config === undefined) return v2;
      this.notes.push(`${place}: left out "${name}": it has no typed form in v3 that is known here`);
      return undefined;
    }
    const settings = isObject(config) ? config : isObject(rest["typed_config"]) ? rest["typed_config"] : {};
    const { "@type": _, ...fields } = settings;
    const shaped = known.type.endsWith("HttpConnectionManager")
      ? this.#httpManager(fields, place)
      : this.#logs(fields, place);
    return {
      ...rest,
      name: known.name,
      typed_config: { ...shaped, "@type": TYPE_URL + known.type },
    };
  }

  #httpManager(v2: JsonObject, place: string): JsonObject {
    const manager = this.#logs(v2, place);
    const { http_filters: filters, route_config: routes, rds } = manager;
    if (Array.isArray(filters)) manager["http_filters"] = this.#filters(filters, `${place}.http_filters`);
    if (isObject(routes)) manager["route_config"] = this.#routes(routes);
    if (isObject(rds))
      manager["rds"] = { ...rds, config_source: this.#source(rds["config_source"], `${place}.rds`) };
    const { idle_timeout: idle, ...rest } = manager;
    // Moved to the options that HTTP/1 and HTTP/2 have in common.
    return idle === undefined ? rest : { ...rest, common_http_protocol_options: { idle_timeout: idle } };
  }

  #logs(v2: JsonObject, place: string): JsonObject {
    const logs = v2["access_log"];
    return Array.isArray(logs)
      ? { ...v2, access_log: this.#filters(logs, `${place}.access_log`) }
      : { ...v2 };
  }

  #routes(v2: JsonObject): JsonObject {
    const hosts = v2["virtual_hosts"];
    if (!Array.isArray(hosts)) return v2;
    return { ...v2, virtual_hosts: hosts.map((host) => (isObject(host) ? withRoutes(host) : host)) };
  }

  /** Where resources come from: everything that was Rotor's is this control plane's aggregated stream. */
  #source(v2: JsonValue | undefined, place: string): JsonObject {
    if (isObject(v2) && v2["path"] !== undefined) return { ...v2, resource_api_version: "V3" };
    if (isObject(v2) && v2["api_config_source"] !== undefined)
      this.notes.push(
        `${place}: its configuration source is now the aggregated stream of this control plane`,
      );
    return { ads: {}, resource_api_version: "V3" };
  }
}

function withRoutes(host: JsonObject): JsonObject {
  const routes = host["routes"];
  if (!Array.isArray(routes)) return host;
  return { ...host, routes: routes.map((route) => (isObject(route) ? v3Route(route) : route)) };
}

function v3Route(v2: JsonObject): JsonObject {
  const match = v2["match"];
  return isObject(match) ? { ...v2, match: v3Match(match) } : v2;
}

function v3Match(v2: JsonObject): JsonObject {
  const { regex, headers, query_parameters: query, ...match } = v2;
  if (typeof regex === "string") match["safe_regex"] = { regex };
  if (Array.isArray(headers))
    match["headers"] = headers.map((each) => (isObject(each) ? v3Header(each) : each));
  if (Array.isArray(query))
    match["query_parameters"] = query.map((each) => (isObject(each) ? v3Query(each) : each));
  return match;
}

function v3Header(v2: JsonObject): JsonObject {
  const { regex_match: regex, exact_match: exact, prefix_match: prefix, suffix_match: suffix, ...match } = v2;
  const text: JsonObject | undefined =
    typeof regex === "string"
      ? { safe_regex: { regex } }
      : typeof exact === "string"
        ? { exact }
        : typeof prefix === "string"
          ? { prefix }
          : typeof suffix === "string"
            ? { suffix }
            : undefined;
  if (text !== undefined) match["string_match"] = text;
  else if (match["range_match"] === undefined && match["present_match"] === undefined)
    match["present_match"] = true;
  return match;
}

function v3Query(v2: JsonObject): JsonObject {
  const { value, regex, ...match } = v2;
  if (typeof value !== "string" || value === "") return { ...match, present_match: true };
  return { ...match, string_match: regex === true ? { safe_regex: { regex: value } } : { exact: value } };
}

function transportSocket(
  context: "UpstreamTlsContext" | "DownstreamTlsContext",
  tls: JsonObject,
): JsonObject {
  const type = `envoy.extensions.transport_sockets.tls.v3.${context}`;
  return { name: "envoy.transport_sockets.tls", typed_config: { ...tls, "@type": TYPE_URL + type } };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
