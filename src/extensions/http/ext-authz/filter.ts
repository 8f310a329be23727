import type { HeaderMap } from "../../../http/header-map.ts";
import {
  ResponseFlag,
  type AsyncCall,
  type AsyncCallbacks,
  type FilterStream,
  type HttpFilter,
  type Verdict,
} from "../../../proxy/api.ts";
import type { BodySettings, ExtAuthzConfig, RouteSettings } from "./config.ts";
import type { HttpService, Verdict as AuthVerdict } from "./http-service.ts";

const METADATA_NAMESPACE = "envoy.filters.http.ext_authz";
const EMPTY = Buffer.alloc(0);

/** The check of one request. */
export class ExtAuthzFilter implements HttpFilter, AsyncCallbacks {
  readonly #config: ExtAuthzConfig;
  readonly #stream: FilterStream;
  #service: HttpService;
  #body: BodySettings | undefined;
  #call: AsyncCall | undefined;
  #phase: "idle" | "buffering" | "asking" | "done" = "idle";
  #toClient: readonly (readonly [name: string, value: string])[] = [];

  constructor(config: ExtAuthzConfig, stream: FilterStream) {
    this.#config = config;
    this.#stream = stream;
    this.#service = config.service;
    this.#body = config.body;
  }

  onRequestHeaders(headers: HeaderMap, end: boolean): Verdict {
    const config = this.#config;
    if (this.#stream.route === undefined) return this.#skip();
    const route = this.#stream.perRoute() as RouteSettings | undefined;
    if (route?.disabled === true) return this.#skip();
    if (!config.enabled()) {
      config.count("disabled", "");
      if (!config.denyAtDisable()) return this.#skip();
      this.#phase = "done";
      this.#stream.sendLocalReply({
        status: config.statusOnError,
        details: "ext_authz_error",
        flags: ResponseFlag.UnauthorizedExternalService,
      });
      return "stop";
    }
    if (route?.service !== undefined) this.#service = route.service;
    if (route?.noBody === true) this.#body = undefined;
    else if (route?.body !== undefined) this.#body = route.body;
    if (this.#body !== undefined && !end) {
      this.#phase = "buffering";
      return "stop";
    }
    return this.#ask(headers, this.#body === undefined ? undefined : EMPTY, false);
  }

  onRequestData(chunk: Buffer, end: boolean): Verdict {
    if (this.#phase === "done" || this.#phase === "idle") return "continue";
    if (this.#phase === "asking") return "watermark";
    const settings = this.#body!;
    const kept = this.#stream.bufferedRequestBody();
    const size = kept.length + chunk.length;
    const full = size >= settings.maxRequestBytes;
    if (full && !settings.allowPartialMessage && size > settings.maxRequestBytes) {
      this.#phase = "done";
      this.#stream.sendLocalReply({
        status: 413,
        body: "Payload Too Large",
        details: "request_payload_too_large",
        close: true,
      });
      return "stop";
    }
    if (!end && !full) return "stop";
    const whole = kept.length === 0 ? Buffer.from(chunk) : Buffer.concat([kept, chunk]);
    const partial = full && settings.allowPartialMessage;
    return this.#ask(this.#stream.requestHeaders, whole.subarray(0, settings.maxRequestBytes), partial);
  }

  onRequestTrailers(): Verdict {
    if (this.#phase === "done" || this.#phase === "idle") return "continue";
    if (this.#phase === "buffering")
      return this.#ask(this.#stream.requestHeaders, this.#stream.bufferedRequestBody(), false);
    return "watermark";
  }

  onResponseHeaders(headers: HeaderMap): Verdict {
    for (const [name, value] of this.#toClient) headers.add(name, value);
    return "continue";
  }

  onDestroy(): void {
    this.#phase = "done";
    this.#call?.cancel();
    this.#call = undefined;
  }

  onResponse(headers: HeaderMap, body: Buffer): void {
    this.#call = undefined;
    const verdict = this.#service.verdict(headers, body);
    if (verdict.kind === "ok") this.#allow(verdict);
    else if (verdict.kind === "denied") this.#deny(verdict);
    else this.#fail();
  }

  onFailure(): void {
    this.#call = undefined;
    this.#fail();
  }

  #skip(): Verdict {
    this.#phase = "done";
    return "continue";
  }

  #ask(headers: HeaderMap, body: Buffer | undefined, partial: boolean): Verdict {
    this.#phase = "asking";
    const service = this.#service;
    const call = this.#config.context.calls.send(
      {
        cluster: service.cluster,
        headers: service.checkRequest(headers, body, partial),
        body: body === undefined || body.length === 0 ? undefined : body,
        timeout: service.timeout,
      },
      this,
    );
    // The answer may have come already; it has then let the request go on, or answered it.
    if (this.#phase === "asking") this.#call = call;
    return "watermark";
  }

  #allow(verdict: Extract<AuthVerdict, { kind: "ok" }>): void {
    const { set, append, remove, toClient, metadata } = verdict;
    const config = this.#config;
    const request = this.#stream.requestHeaders;
    this.#phase = "done";
    for (const [name, value] of set) {
      if (name === "host") request.authority = value;
      else {
        request.remove(name);
        request.add(name, value);
      }
    }
    for (const [name, value] of append) {
      if (request.has(name)) request.add(name, value);
    }
    for (const name of remove) if (name !== "host" && !name.startsWith(":")) request.remove(name);
    this.#toClient = toClient;
    if (metadata !== undefined) {
      const info = this.#stream.info;
      (info.dynamicMetadata ??= new Map()).set(METADATA_NAMESPACE, metadata);
    }
    config.count("ok", this.#clusterName());
    if (config.clearRouteCache && set.length + append.length + remove.length > 0)
      this.#stream.clearRouteCache();
    this.#stream.continueRequest();
  }

  #deny(verdict: Extract<AuthVerdict, { kind: "denied" }>): void {
    this.#phase = "done";
    const cluster = this.#clusterName();
    this.#config.count("denied", cluster);
    this.#config.chargeCluster(cluster, verdict.status, this.#stream.requestHeaders.has("x-envoy-internal"));
    this.#stream.sendLocalReply({
      status: verdict.status,
      body: verdict.body,
      headers: verdict.headers,
      details: "ext_authz_denied",
      flags: ResponseFlag.UnauthorizedExternalService,
    });
  }

  #fail(): void {
    const config = this.#config;
    const cluster = this.#clusterName();
    this.#phase = "done";
    config.count("error", cluster);
    if (config.failureModeAllow) {
      config.count("failure_mode_allowed", cluster);
      if (config.failureModeAllowHeader)
        this.#stream.requestHeaders.set("x-envoy-auth-failure-mode-allowed", "true");
      this.#stream.continueRequest();
      return;
    }
    this.#stream.sendLocalReply({
      status: config.statusOnError,
      details: "ext_authz_error",
      flags: ResponseFlag.UnauthorizedExternalService,
    });
  }

  #clusterName(): string {
    return this.#stream.route?.clusterName ?? "";
  }
}
