import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Metadata } from "../../http/metadata.ts";
import type { CodecError, CodecStream, ResetReason, StreamHandler } from "../../http/stream.ts";
import type { HttpFilter, LocalReply, Route } from "../api.ts";
import { writeAccessLogs } from "../access-log/access-log.ts";
import { ResponseFlag } from "../response-flags.ts";
import { StreamInfo } from "../stream-info.ts";
import { answerExpectation } from "./answer-expectation.ts";
import { discardHandler } from "./discard-handler.ts";
import { FilterSlot } from "./filter-slot.ts";
import type { FilterEntry, HcmConfig } from "./hcm-config.ts";
import { noteReset } from "./note-reset.ts";
import type { PipelineOwner } from "./pipeline.ts";
import { composeReply } from "./local-reply.ts";
import { BAD_CONNECTION, checkRequest, NO_UPGRADE, type Refusal } from "./request-checks.ts";
import { hasBadNomination, isUpgrade, mutateRequestHeaders } from "./request-headers.ts";
import { RequestPipeline } from "./request-pipeline.ts";
import { beginsTunnel, mutateResponseHeaders, setConnectionHeader } from "./response-headers.ts";
import { ResponsePipeline } from "./response-pipeline.ts";
import { StreamTimers, type TimedStream } from "./stream-timers.ts";
import { tunnelReset } from "./tunnel-reset.ts";

const UPGRADE = knownHeaderId("upgrade");

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly info: StreamInfo["connection"];
  /** Whether this response is to be the connection's last. */
  closesAfterThis(): boolean;
  onStreamDone(stream: HcmStream): void;
}

/**
 * One request on its way through the connection manager: checks, filters, timeouts, response, access log. Pooled per
 * configuration with its pipelines, slots and timers; the record of the request (`info`) is new each time.
 */
export class HcmStream implements StreamHandler, TimedStream, PipelineOwner {
  filters: (HttpFilter | undefined)[];
  readonly bufferLimit: number;
  info!: StreamInfo;
  requestHeaders: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  requestComplete = false;
  readonly #config: HcmConfig;
  #entries: readonly FilterEntry[];
  #slots: FilterSlot[];
  requestPipeline: RequestPipeline;
  responsePipeline: ResponsePipeline;
  readonly #timers: StreamTimers;
  #owner: StreamOwner | undefined;
  #codec: CodecStream | undefined;
  #requestTrailers: HeaderMap | undefined;
  #responseTrailers: HeaderMap | undefined;
  #route: Route | undefined;
  #routeKnown = false;
  #filtersCreated = false;
  #headersSent = false;
  /** HTTP/2: the stream may end without its connection. */
  #multiplexed = false;
  #localReply = false;
  #codecFailed = false;
  #requestPauses = 0;
  #responseBlocks = 0;
  #responder = -1;
  /** The request is CONNECT or an upgrade, and was let through. */
  #tunnel = false;

  constructor(config: HcmConfig) {
    this.#config = config;
    this.bufferLimit = config.bufferLimit;
    const count = config.filters.length;
    this.#entries = config.filters;
    this.filters = new Array<HttpFilter | undefined>(count).fill(undefined);
    this.#slots = config.filters.map((entry, i) => new FilterSlot(this, i, entry.name));
    this.requestPipeline = new RequestPipeline(this, count);
    this.responsePipeline = new ResponsePipeline(this, count);
    this.#timers = new StreamTimers(this, config);
  }

  /** Begins a new request. */
  begin(codec: CodecStream, owner: StreamOwner): void {
    const { context, stats } = this.#config;
    const now = context.clock.now();
    const info = (this.info = new StreamInfo());
    info.connection = owner.info;
    info.start = now;
    info.startWall = context.clock.wall();
    info.downstreamRemoteAddress = owner.info.remoteAddress;
    info.downstreamRemoteIp = owner.info.remoteIp;
    this.#codec = codec;
    this.#owner = owner;
    stats.rqTotal.inc();
    this.#multiplexed = codec.protocol === "HTTP/2";
    if (this.#multiplexed) info.protocol = "HTTP/2";
    (this.#multiplexed ? stats.rqHttp2Total : stats.rqHttp1Total).inc();
    stats.rqActive.inc();
    this.#timers.begin(now);
  }

  // ---- from the codec ----------------------------------------------------------------------------------------------

  onInterim(_status: number, headers: HeaderMap): void {
    headers.release();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    const info = this.info;
    const codec = this.#codec!;
    this.requestHeaders = info.requestHeaders = headers;
    info.protocol = codec.protocol;
    this.#timers.touch();
    this.#timers.headersArrived();
    if (end) this.#requestEnded();
    if (this.#multiplexed && !this.#config.codec.proxy100Continue) answerExpectation(codec, headers);
    if (hasBadNomination(headers)) {
      info.requestHeaders = undefined;
      return this.onCodecError(BAD_CONNECTION);
    }
    const refusal = checkRequest(headers, this.#config, this.#owner!.info.localPort);
    if (refusal !== undefined) return this.#refuse(refusal);
    const upgrade = isUpgrade(headers);
    mutateRequestHeaders(headers, info, this.#owner!.info, this.#config, upgrade);
    if ((upgrade || headers.method === "CONNECT") && !this.#allowsTunnel(headers, upgrade))
      return this.#refuse(NO_UPGRADE);
    this.#createFilters();
    this.requestPipeline.sendHeaders(0, headers, end);
  }

  onData(chunk: Buffer, end: boolean): void {
    this.info.bytesReceived += chunk.length;
    this.#timers.touch();
    if (end) this.#requestEnded();
    this.requestPipeline.sendData(0, chunk, end);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#requestTrailers = trailers;
    this.#timers.touch();
    this.#requestEnded();
    this.requestPipeline.sendTrailers(0, trailers);
  }

  /** No filter but the terminal one has to do with it. */
  onMetadata(metadata: Metadata): void {
    this.filters.at(-1)?.onRequestMetadata?.(metadata);
  }

  onReset(reason: ResetReason, detail: string): void {
    noteReset(this.info, reason, detail, this.#headersSent);
    this.#config.stats.counters.downstream_rq_rx_reset.inc();
    this.#finish();
  }

  onCodecError(error: CodecError): void {
    if (error.protocolError) this.#config.stats.counters.downstream_cx_protocol_error.inc();
    this.#codecFailed = true;
    if (this.info.protocol === "") this.info.protocol = this.#codec!.protocol;
    const flags = error.protocolError ? ResponseFlag.DownstreamProtocolError : 0;
    this.sendLocalReply({
      status: error.status,
      body: error.body,
      details: error.details,
      flags,
      close: true,
    });
  }

  onDrain(): void {
    this.#timers.touch();
    this.unblockResponse();
  }

  // ---- from filters ------------------------------------------------------------------------------------------------

  get route(): Route | undefined {
    if (!this.#routeKnown) this.#findRoute();
    return this.#route;
  }

  clearRouteCache(): void {
    this.#routeKnown = false;
    this.#route = undefined;
  }

  continueRequest(index: number): void {
    if (this.#owner !== undefined) this.requestPipeline.proceed(index);
  }

  continueResponse(index: number): void {
    if (this.#owner !== undefined) this.responsePipeline.proceed(index);
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.#owner === undefined) return;
    const info = this.info;
    info.responseFlags |= reply.flags ?? 0;
    if (this.#headersSent) {
      this.resetStream("local-reset", reply.details);
      return;
    }
    info.responseCodeDetails = reply.details;
    info.responseCode = reply.status;
    info.localReplyBody = reply.body ?? "";
    this.requestPipeline.cancel();
    this.responsePipeline.cancel();
    this.#dropResponse();
    this.#localReply = true;
    if (reply.close === true) this.#codecFailed = true;
    this.#respondLocally(reply);
  }

  respondInterim(status: number, headers: HeaderMap | undefined): void {
    this.#timers.touch();
    // Envoy forwards none of them unless it leaves "expect: 100-continue" to the upstream.
    if (this.#config.codec.proxy100Continue) this.#codec?.interim(status, headers);
    headers?.release();
  }

  respondHeaders(index: number, headers: HeaderMap, end: boolean): void {
    if (this.#owner === undefined || this.#localReply) return headers.release();
    this.#responder = index;
    this.#dropResponse();
    this.responseHeaders = this.info.responseHeaders = headers;
    this.#timers.touch();
    this.responsePipeline.sendHeaders(index - 1, headers, end);
  }

  respondData(index: number, chunk: Buffer, end: boolean): boolean {
    if (this.#owner === undefined || this.#localReply) return true;
    this.#timers.touch();
    this.responsePipeline.sendData(index - 1, chunk, end);
    return this.#responseBlocks === 0;
  }

  respondTrailers(index: number, trailers: HeaderMap): void {
    if (this.#owner === undefined || this.#localReply) return trailers.release();
    this.#responseTrailers = this.info.responseTrailers = trailers;
    this.#timers.touch();
    this.responsePipeline.sendTrailers(index - 1, trailers);
  }

  respondMetadata(metadata: Metadata): void {
    if (!this.#localReply) this.#codec?.metadata?.(metadata);
  }

  resetStream(reason: ResetReason, details: string): void {
    const codec = this.#codec;
    if (this.#owner === undefined || codec === undefined) return;
    this.info.responseCodeDetails = details;
    const counters = this.#config.stats.counters;
    counters.downstream_rq_tx_reset.inc();
    if (this.#headersSent) counters.rq_reset_after_downstream_response_started.inc();
    codec.reset(this.#tunnel ? tunnelReset(this.info, reason) : reason);
    this.#finish();
  }

  pauseRequest(): void {
    if (this.#requestPauses++ > 0) return;
    this.#config.stats.counters.downstream_flow_control_paused_reading_total.inc();
    this.#codec?.pause();
  }

  resumeRequest(): void {
    if (this.#requestPauses === 0 || --this.#requestPauses > 0) return;
    this.#config.stats.counters.downstream_flow_control_resumed_reading_total.inc();
    this.#codec?.resume();
  }

  // ---- from the pipelines ------------------------------------------------------------------------------------------

  onFilterError(index: number, error: unknown): void {
    const name = this.#entries[index]!.name;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#config.context
      .logger("http")
      .error(`Filter "${name}" failed, the request is answered with 500: ${text}`);
    this.sendLocalReply({ status: 500, details: `filter_failed{${name}}` });
  }

  requestTooLarge(): void {
    this.#config.stats.counters.downstream_rq_too_large.inc();
    this.sendLocalReply({
      status: 413,
      body: "Payload Too Large",
      details: "request_payload_too_large",
      close: true,
    });
  }

  responseTooLarge(): void {
    this.#config.stats.counters.rs_too_large.inc();
    this.sendLocalReply({
      status: 500,
      body: "Internal Server Error",
      details: "response_payload_too_large",
    });
  }

  blockResponse(): void {
    this.#responseBlocks++;
  }

  unblockResponse(): void {
    if (this.#responseBlocks === 0) return;
    this.#responseBlocks--;
    if (this.#responseBlocks === 0 && this.#responder >= 0)
      this.filters[this.#responder]?.onResponseDrain?.();
  }

  encodeHeaders(headers: HeaderMap, end: boolean): void {
    const { context, stats } = this.#config;
    const info = this.info;
    const codec = this.#codec!;
    mutateResponseHeaders(headers, this.requestHeaders, this.#config, context.clock.wall());
    if (!this.requestComplete) stats.counters.downstream_rq_response_before_rq_complete.inc();
    this.#timers.requestEnded();
    if (this.#closesConnection(headers.status)) setConnectionHeader(headers, "close");
    info.responseCode = headers.status;
    info.firstResponseByte = context.clock.now();
    stats.countStatus(headers.status);
    this.#headersSent = true;
    codec.headers(headers, end);
    if (end) this.#finish();
  }

  encodeData(chunk: Buffer, end: boolean): void {
    this.info.bytesSent += chunk.length;
    if (!this.#codec!.data(chunk, end) && this.#responseBlocks === 0) this.#responseBlocks = 1;
    if (end) this.#finish();
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#codec!.trailers(trailers);
    this.#finish();
  }

  // ---- from timers and the pool -----------------------------------------------------------------------------------

  get active(): boolean {
    return this.#owner !== undefined;
  }

  /**
   * Lets go of the last request, when nothing of it is on the stack any more. Returns whether the stream is fit for
   * another one.
   */
  recycle(): boolean {
    this.requestPipeline.cancel();
    this.responsePipeline.cancel();
    this.requestHeaders?.release();
    this.#requestTrailers?.release();
    this.#dropResponse();
    this.requestHeaders = this.#requestTrailers = this.#responseTrailers = undefined;
    this.#codec = undefined;
    this.#route = undefined;
    this.requestComplete = this.#routeKnown = this.#filtersCreated = this.#headersSent = false;
    this.#localReply = this.#codecFailed = this.#tunnel = false;
    this.#requestPauses = this.#responseBlocks = 0;
    this.#responder = -1;
    return this.#entries === this.#config.filters;
  }

  /** Not to be used again. */
  dispose(): void {
    this.#timers.dispose();
  }

  // ---- helpers -----------------------------------------------------------------------------------------------------

  #refuse(refusal: Refusal): void {
    if (refusal.stat !== undefined) this.#config.stats.counters[refusal.stat].inc();
    this.sendLocalReply(refusal);
  }

  #requestEnded(): void {
    this.requestComplete = true;
    this.info.lastRequestByte = this.#timers.lastActivity;
    this.#timers.requestEnded();
  }

  #findRoute(): void {
    this.#routeKnown = true;
    const headers = this.requestHeaders;
    const table = this.#config.routes.current();
    const info = this.info;
    const route =
      table === undefined || headers === undefined
        ? undefined
        : table.match(headers, info, this.#config.context.random());
    this.#route = route;
    if (route === undefined) return;
    info.routeName = route.name;
    info.virtualHostName = route.virtualHostName;
    if (route.idleTimeout !== undefined) this.#timers.setIdleTimeout(route.idleTimeout);
    const duration = route.streamDuration?.(headers!);
    if (duration !== undefined) this.#timers.setMaxDuration(duration);
  }

  /** Whether the request may become a tunnel, or has no route and gets 404; prepares for it. */
  #allowsTunnel(headers: HeaderMap, upgrade: boolean): boolean {
    const { stats, upgrades } = this.#config;
    const type = upgrade ? headers.getId(UPGRADE)! : "CONNECT";
    const route = this.route;
    if (!upgrades.allows(type, route)) return route === undefined;
    this.#tunnel = true;
    stats.counters.downstream_cx_upgrades_total.inc();
    stats.gauges.downstream_cx_upgrades_active.inc();
    const own = upgrades.filters(type);
    if (own !== undefined) this.#useFilters(own);
    return true;
  }

  /** Replaces the filters; the stream is not used again after this request. */
  #useFilters(entries: readonly FilterEntry[]): void {
    this.#entries = entries;
    this.filters = new Array<HttpFilter | undefined>(entries.length).fill(undefined);
    this.#slots = entries.map((entry, i) => new FilterSlot(this, i, entry.name));
    this.requestPipeline = new RequestPipeline(this, entries.length);
    this.responsePipeline = new ResponsePipeline(this, entries.length);
  }

  #createFilters(): void {
    const entries = this.#entries;
    this.#filtersCreated = true;
    const last = entries.length - 1;
    for (let i = 0; i < last; i++) {
      const entry = entries[i]!;
      const slot = this.#slots[i]!;
      const route = this.route;
      const off = route === undefined ? entry.disabled : route.filterDisabled(entry.name);
      if (off || (entry.disabled && route?.perFilter(entry.name) === undefined)) this.filters[i] = undefined;
      else this.filters[i] = entry.create(slot);
    }
    this.filters[last] = entries[last]!.create(this.#slots[last]!);
  }

  #respondLocally(reply: LocalReply): void {
    const info = this.info;
    const request = this.requestHeaders;
    const { headers, body } = composeReply(reply, request, info, this.#config.localReplies);
    this.responseHeaders = info.responseHeaders = headers;
    const end = body === undefined || request?.method === "HEAD";
    const first = this.#filtersCreated ? this.filters.length - 2 : -1;
    this.responsePipeline.sendHeaders(first, headers, end);
    if (!end && this.#owner !== undefined) this.responsePipeline.sendData(first, body, true);
  }

  /** Whether an HTTP/1 connection cannot go on after a response with this status. */
  #closesConnection(status: number): boolean {
    if (this.#owner!.closesAfterThis()) return true;
    if (this.#multiplexed) return this.info.responseCodeDetails === NO_UPGRADE.details;
    if (this.#codec!.peerWantsClose || this.#codecFailed) return true;
    return !this.requestComplete && !(this.#tunnel && beginsTunnel(this.requestHeaders, status));
  }

  #dropResponse(): void {
    this.responseHeaders?.release();
    this.#responseTrailers?.release();
    this.responseHeaders = this.#responseTrailers = undefined;
    this.info.responseHeaders = this.info.responseTrailers = undefined;
  }

  /** The stream is over, well or not: counts it, logs it, lets filters and timers go. */
  #finish(): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#owner = undefined;
    const { context, stats, accessLogs } = this.#config;
    const info = this.info;
    const codec = this.#codec!;
    info.end = context.clock.now();
    info.wireBytesReceived = codec.wireBytesReceived;
    info.wireBytesSent = codec.wireBytesSent;
    this.#timers.end();
    stats.rqActive.dec();
    if (this.#tunnel) stats.gauges.downstream_cx_upgrades_active.dec();
    stats.rqTime.record(info.end - info.start);
    if (this.#filtersCreated) this.#endFilters();
    writeAccessLogs(accessLogs, info, context);
    codec.handler = discardHandler;
    owner.onStreamDone(this);
  }

  #endFilters(): void {
    const filters = this.filters;
    const info = this.info;
    for (let i = 0; i < filters.length; i++) filters[i]?.onComplete?.(info);
    for (let i = 0; i < filters.length; i++) {
      const filter = filters[i];
      filters[i] = undefined;
      filter?.onDestroy?.();
    }
  }
}
