import type { HeaderMap } from "../../../http/header-map.ts";
import {
  ResponseFlag,
  type AsyncCall,
  type FilterStream,
  type HttpFilter,
  type Verdict as FilterVerdict,
} from "../../../proxy/api.ts";
import type { AuthService, HeaderEdit, Verdict, VerdictHandler } from "./auth-service.ts";
import type { BodySettings, ExtAuthzConfig, RouteSettings } from "./config.ts";
import { applyEdit, editFault } from "./header-edits.ts";
import { editQuery } from "./query-edits.ts";

const METADATA_NAMESPACE = "envoy.filters.http.ext_authz";
const EMPTY = Buffer.alloc(0);
const NO_EXTENSIONS = {};

type Allowed = Extract<Verdict, { kind: "ok" }>;
type Denied = Extract<Verdict, { kind: "denied" }>;
type Failed = Extract<Verdict, { kind: "error" }>;

/** The check of one request. */
export class ExtAuthzFilter implements HttpFilter, VerdictHandler {
  readonly #config: ExtAuthzConfig;
  readonly #stream: FilterStream;
  #service: AuthService;
  #body: BodySettings | undefined;
  #route: RouteSettings | undefined;
  #call: AsyncCall | undefined;
  #phase: "idle" | "buffering" | "asking" | "done" = "idle";
  #asked = 0;
  #toClient: readonly HeaderEdit[] = [];

  constructor(config: ExtAuthzConfig, stream: FilterStream) {
    this.#config = config;
    this.#stream = stream;
    this.#service = config.service;
    this.#body = config.body;
  }

  onRequestHeaders(headers: HeaderMap, end: boolean): FilterVerdict {
    const config = this.#config;
    if (this.#stream.route === undefined) return this.#skip();
    const route = this.#stream.perRoute() as RouteSettings | undefined;
    this.#route = route;
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
    if (route?.service !== undefined) this.#service = config.serviceOf(route.service);
    if (route?.noBody === true) this.#body = undefined;
    else if (route?.body !== undefined) this.#body = route.body;
    if (this.#body !== undefined && !end) {
      this.#phase = "buffering";
      return "stop";
    }
    return this.#ask(headers, this.#body === undefined ? undefined : EMPTY, false);
  }

  onRequestData(chunk: Buffer, end: boolean): FilterVerdict {
    if (this.#phase === "done" || this.#phase === "idle") return "continue";
    if (this.#phase === "asking") return "watermark";
    const { allowPartialMessage, maxRequestBytes } = this.#body!;
    const kept = this.#stream.bufferedRequestBody();
    const size = kept.length + chunk.length;
    // A body of exactly this size may still go on: only a check of the beginning need not wait.
    const partial = allowPartialMessage && size >= maxRequestBytes;
    if (!partial && size > maxRequestBytes) {
      this.#phase = "done";
      this.#stream.sendLocalReply({
        status: 413,
        body: "Payload Too Large",
        details: "request_payload_too_large",
        close: true,
      });
      return "stop";
    }
    if (!end && !partial) return "stop";
    const whole = kept.length === 0 ? Buffer.from(chunk) : Buffer.concat([kept, chunk]);
    return this.#ask(this.#stream.requestHeaders, whole.subarray(0, maxRequestBytes), partial);
  }

  onRequestTrailers(): FilterVerdict {
    if (this.#phase === "done" || this.#phase === "idle") return "continue";
    if (this.#phase === "buffering")
      return this.#ask(this.#stream.requestHeaders, this.#stream.bufferedRequestBody(), false);
    return "watermark";
  }

  onResponseHeaders(headers: HeaderMap): FilterVerdict {
    for (const edit of this.#toClient) applyEdit(headers, edit);
    return "continue";
  }

  onDestroy(): void {
    this.#phase = "done";
    this.#call?.cancel();
    this.#call = undefined;
  }

  onVerdict(verdict: Verdict): void {
    this.#call = undefined;
    this.#phase = "done";
    if (verdict.metadata !== undefined) this.#keep(verdict.metadata, verdict.kind === "ok");
    if (verdict.kind === "ok") this.#allow(verdict);
    else if (verdict.kind === "denied") this.#deny(verdict);
    else this.#fail(verdict);
  }

  #skip(): FilterVerdict {
    this.#phase = "done";
    return "continue";
  }

  #ask(headers: HeaderMap, body: Buffer | undefined, partial: boolean): FilterVerdict {
    this.#phase = "asking";
    const { clock } = this.#config.context;
    this.#asked = clock.now();
    const call = this.#service.check(
      {
        stream: this.#stream,
        headers,
        body,
        partial,
        packAsBytes: this.#body?.packAsBytes === true,
        contextExtensions: this.#route?.contextExtensions ?? NO_EXTENSIONS,
      },
      this,
    );
    // The answer may have come already; it has then let the request go on, or answered it.
    if (this.#phase === "asking") this.#call = call;
    return "watermark";
  }

  #keep(metadata: NonNullable<Verdict["metadata"]>, timed: boolean): void {
    const { info } = this.#stream;
    const all = { ...metadata };
    if (timed) all["ext_authz_duration"] = Math.trunc(this.#config.context.clock.now() - this.#asked);
    (info.dynamicMetadata ??= new Map()).set(METADATA_NAMESPACE, all);
  }

  #allow(verdict: Allowed): void {
    const config = this.#config;
    const stream = this.#stream;
    if (config.validates && !isValid(verdict)) return this.#refuseInvalid();
    const checked = this.#checked(verdict);
    if (checked === undefined) return this.#refuseInvalid();
    const { request: edits, remove } = checked;
    const { setQuery, removeQuery, toClient } = verdict;
    const request = stream.requestHeaders;
    for (const edit of edits) {
      const fault = editFault(edit);
      if (fault !== undefined) return this.#refuseBadHeader(fault);
    }
    for (const edit of edits) applyEdit(request, edit);
    for (const name of remove) request.remove(name);
    if (setQuery.length + removeQuery.length > 0)
      request.path = editQuery(request.path, setQuery, removeQuery);
    this.#toClient = toClient.filter((edit) => editFault(edit) === undefined);
    config.count("ok", this.#clusterName());
    const changed = setQuery.length + removeQuery.length > 0 || edits.length + remove.length > 0;
    if (changed && config.clearsRoute(edits, remove)) stream.clearRouteCache();
    stream.continueRequest();
  }

  /** What is changed after all; undefined if the rules make one of the changes an error. */
  #checked({ request, remove }: Allowed): Pick<Allowed, "request" | "remove"> | undefined {
    const { rules } = this.#config;
    const removable = remove.filter((name) => name !== "host" && !name.startsWith(":"));
    if (rules === undefined) return { request, remove: removable };
    const verdicts = new Map(
      [...request.map(({ name }) => name), ...removable].map((name) => [name, rules.check(name)]),
    );
    if ([...verdicts.values()].includes("fail")) return undefined;
    return {
      request: request.filter(({ name }) => verdicts.get(name) === "allow"),
      remove: removable.filter((name) => verdicts.get(name) === "allow"),
    };
  }

  #deny(verdict: Denied): void {
    const config = this.#config;
    const cluster = this.#clusterName();
    config.count("denied", cluster);
    if (config.validates && !verdict.headers.every((edit) => editFault(edit) === undefined))
      return this.#refuseInvalid();
    config.chargeCluster(cluster, verdict.status, this.#stream.requestHeaders.has("x-envoy-internal"));
    this.#reply(verdict, verdict.status, "ext_authz_denied");
  }

  #fail(verdict: Failed): void {
    const config = this.#config;
    const cluster = this.#clusterName();
    config.count("error", cluster);
    if (config.failureModeAllow) {
      config.count("failure_mode_allowed", cluster);
      if (config.failureModeAllowHeader)
        this.#stream.requestHeaders.set("x-envoy-auth-failure-mode-allowed", "true");
      this.#stream.continueRequest();
      return;
    }
    this.#reply(verdict, verdict.status === 0 ? config.statusOnError : verdict.status, "ext_authz_error");
  }

  #reply({ headers, body }: Denied | Failed, status: number, details: string): void {
    const sound = headers.filter((edit) => editFault(edit) === undefined);
    const { maxDeniedBody } = this.#config;
    this.#stream.sendLocalReply({
      status,
      body: maxDeniedBody === 0 ? body : Buffer.from(body).subarray(0, maxDeniedBody).toString(),
      headers: sound.map(({ name, value }) => [name, value] as const),
      details,
      flags: ResponseFlag.UnauthorizedExternalService,
    });
  }

  /** The service's answer breaks rules that are checked. */
  #refuseInvalid(): void {
    this.#config.count("invalid", this.#clusterName());
    this.#stream.sendLocalReply({
      status: 500,
      details: "ext_authz_invalid",
      flags: ResponseFlag.UnauthorizedExternalService,
    });
  }

  /** What cannot go over the wire never does; Envoy's router refuses such requests. */
  #refuseBadHeader(fault: string): void {
    this.#config.count("ok", this.#clusterName());
    this.#stream.sendLocalReply({
      status: 503,
      body: fault,
      details: `filter_removed_required_request_headers{${fault.replaceAll(/\s/g, "_")}}`,
      flags: ResponseFlag.DownstreamProtocolError,
    });
  }

  #clusterName(): string {
    return this.#stream.route?.clusterName ?? "";
  }
}

function isValid({ request, toClient, setQuery, removeQuery }: Allowed): boolean {
  return (
    [...request, ...toClient].every((edit) => editFault(edit) === undefined) &&
    [...setQuery.flat(), ...removeQuery].every(isQueryText)
  );
}

/** RFC 3986 section 3.4, without what separates parameters. */
function isQueryText(text: string): boolean {
  return /^(?:[\w\-.~!$'()*+,;:@/?]|%[\da-fA-F]{2})*$/.test(text);
}
