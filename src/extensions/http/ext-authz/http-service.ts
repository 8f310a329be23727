import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import { HeaderMap } from "../../../http/header-map.ts";
import type { AsyncCall, FactoryContext } from "../../../proxy/api.ts";
import { anyOf, type TextMatch } from "../../../proxy/matcher/string-matcher.ts";
import {
  NO_ANSWER,
  type AuthService,
  type Check,
  type HeaderEdit,
  type Verdict,
  type VerdictHandler,
} from "./auth-service.ts";

type Config = Messages["envoy.extensions.filters.http.ext_authz.v3.HttpService"];
type StringList = Messages["envoy.type.matcher.v3.ListStringMatcher"];

type Pair = readonly [name: string, value: string];

const HEADERS_TO_REMOVE = "x-envoy-auth-headers-to-remove";
const ALWAYS_TO_CLIENT = new Set(["content-length", "www-authenticate", "location"]);
const NEVER_SENT = new Set(["content-length", "transfer-encoding"]);

/** An authorisation server that is asked over HTTP: how requests to it look and what its answers mean. */
export class HttpAuthService implements AuthService {
  readonly #calls: FactoryContext["calls"];
  readonly #cluster: string;
  /** Milliseconds. */
  readonly #timeout: number;
  readonly #pathPrefix: string;
  readonly #pathOverride: string;
  readonly #sends: TextMatch;
  readonly #added: readonly Pair[];
  readonly #toUpstream: TextMatch;
  readonly #toUpstreamAppend: TextMatch;
  readonly #toClient: TextMatch;
  readonly #toClientOnSuccess: TextMatch;
  readonly #toMetadata: TextMatch | undefined;

  /** @param allowed and @param disallowed of the filter itself; older configurations have `allowed` in the service */
  constructor(
    config: Config,
    allowed: StringList | undefined,
    disallowed: StringList | undefined,
    { calls }: Pick<FactoryContext, "calls">,
  ) {
    const uri = config.serverUri;
    const cluster = uri?.httpUpstreamType.case === "cluster" ? uri.httpUpstreamType.value : "";
    if (uri === undefined || cluster === "")
      throw new Error("ExtAuthz: http_service.server_uri needs a cluster");
    if (config.pathPrefix !== "" && !config.pathPrefix.startsWith("/"))
      throw new Error('path_prefix should start with "/".');
    if (config.pathPrefix !== "" && config.pathOverride !== "")
      throw new Error("ExtAuthz: only one of path_prefix and path_override may be set");
    this.#calls = calls;
    this.#cluster = cluster;
    this.#timeout = durationMs(uri.timeout, 200);
    this.#pathPrefix = config.pathPrefix;
    this.#pathOverride = config.pathOverride;
    const request = config.authorizationRequest;
    if (allowed !== undefined && request?.allowedHeaders !== undefined)
      throw new Error("Invalid duplicate configuration for allowed_headers.");
    const isAllowed = anyOf(allowed ?? request?.allowedHeaders) ?? (() => false);
    const isDisallowed = anyOf(disallowed) ?? (() => false);
    this.#sends = (name) => (name === "authorization" || isAllowed(name)) && !isDisallowed(name);
    this.#added = (request?.headersToAdd ?? []).map(({ key, value }) => [key.toLowerCase(), value] as const);
    const response = config.authorizationResponse;
    this.#toUpstream = anyOf(response?.allowedUpstreamHeaders) ?? (() => false);
    this.#toUpstreamAppend = anyOf(response?.allowedUpstreamHeadersToAppend) ?? (() => false);
    const clientList = anyOf(response?.allowedClientHeaders);
    this.#toClient =
      clientList === undefined ? () => true : (name) => ALWAYS_TO_CLIENT.has(name) || clientList(name);
    this.#toClientOnSuccess = anyOf(response?.allowedClientHeadersOnSuccess) ?? (() => false);
    this.#toMetadata = anyOf(response?.dynamicMetadataFromHeaders);
  }

  check({ headers: client, body, partial }: Check, handler: VerdictHandler): AsyncCall {
    const sent = body === undefined || body.length === 0 ? undefined : body;
    return this.#calls.send(
      {
        cluster: this.#cluster,
        headers: this.#request(client, body, partial),
        body: sent,
        timeout: this.#timeout,
      },
      {
        onResponse: (headers, answer) => handler.onVerdict(this.#verdict(headers, answer)),
        onFailure: () => handler.onVerdict(NO_ANSWER),
      },
    );
  }

  #request(client: HeaderMap, body: Buffer | undefined, partial: boolean): HeaderMap {
    const headers = HeaderMap.acquire();
    headers.method = client.method;
    headers.authority = client.authority;
    headers.scheme = client.scheme;
    headers.path = this.#pathOverride === "" ? this.#pathPrefix + client.path : this.#pathOverride;
    headers.add("content-length", String(body?.length ?? 0));
    if (body !== undefined && body.length > 0)
      headers.add("x-envoy-auth-partial-body", partial ? "true" : "false");
    client.forEach((name, value) => {
      if (this.#sends(name) && !NEVER_SENT.has(name)) headers.add(name, value);
    });
    for (const [name, value] of this.#added) {
      headers.remove(name);
      headers.add(name, value);
    }
    headers.set("x-envoy-internal", "true");
    headers.set("x-envoy-expected-rq-timeout-ms", String(this.#timeout));
    return headers;
  }

  /** What an answer means. 5xx is an error of the server, other statuses than 2xx refuse the request. */
  #verdict(answer: HeaderMap, body: Buffer): Verdict {
    const status = answer.status;
    if (status >= 500) return NO_ANSWER;
    if (status < 200 || status > 299) return this.#denied(answer, body);
    const set: HeaderEdit[] = [];
    const added: HeaderEdit[] = [];
    const toClient: HeaderEdit[] = [];
    let remove: string[] = [];
    let metadata: Record<string, string> | undefined;
    answer.forEach((name, value) => {
      if (name === HEADERS_TO_REMOVE) {
        remove = value
          .toLowerCase()
          .split(",")
          .map((each) => each.trim());
        return;
      }
      if (this.#toUpstream(name)) set.push({ name, value, how: "set" });
      if (this.#toUpstreamAppend(name)) added.push({ name, value, how: "add-if-exists" });
      if (this.#toClientOnSuccess(name)) toClient.push({ name, value, how: "add" });
      if (this.#toMetadata?.(name) === true) (metadata ??= {})[name] = value;
    });
    return {
      kind: "ok",
      request: [...set, ...added],
      remove,
      toClient,
      setQuery: [],
      removeQuery: [],
      metadata,
    };
  }

  #denied(answer: HeaderMap, body: Buffer): Verdict {
    const headers: HeaderEdit[] = [];
    answer.forEach((name, value) => {
      if (this.#toClient(name) && !HOP_BY_HOP.has(name)) headers.push({ name, value, how: "add" });
    });
    return {
      kind: "denied",
      status: answer.status,
      headers,
      body: body.toString("utf8"),
      metadata: undefined,
    };
  }
}

const HOP_BY_HOP = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);
