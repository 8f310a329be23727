import { encodeFrame, FrameDecoder } from "../../../grpc/frame.ts";
import { formatGrpcTimeout } from "../../../grpc/timeout.ts";
import type { AsyncStreamHandler } from "../../../http/async-stream.ts";
import { HeaderMap } from "../../../http/header-map.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { AsyncClient } from "../../api.ts";
import type { HostSpec } from "../../link.ts";
import { HEALTHY, NETWORK, UNHEALTHY, type Probe, type ProbeOutcome } from "./probe.ts";

type Config = Messages["envoy.config.core.v3.HealthCheck.GrpcHealthCheck"];

const PATH = "/grpc.health.v1.Health/Check";
/** Protobuf: field 1, a string; field 1, a number. */
const SERVICE_TAG = 0x0a;
const STATUS_TAG = 0x08;
const SERVING = 1;
const MAX_NAME = 0x7f;

/** Asks by the gRPC health checking protocol: fit is who answers SERVING. */
export class GrpcProbe implements Probe {
  readonly #config: Config;
  readonly #calls: AsyncClient;
  readonly #cluster: string;
  readonly #timeout: string;
  readonly #request: Buffer;

  /** @param timeout milliseconds, told to the host; the caller sees to it that it is kept */
  constructor(config: Config, cluster: string, calls: AsyncClient, timeout: number) {
    this.#config = config;
    this.#calls = calls;
    this.#cluster = cluster;
    this.#timeout = formatGrpcTimeout(timeout);
    this.#request = encodeFrame(requestFor(config.serviceName));
  }

  ask(host: HostSpec, cluster: string, done: (outcome: ProbeOutcome) => void): () => void {
    const headers = HeaderMap.acquire();
    headers.method = "POST";
    headers.scheme = "http";
    headers.authority = this.#config.authority || host.healthCheck?.hostname || this.#cluster;
    headers.path = PATH;
    headers.add("te", "trailers");
    headers.add("content-type", "application/grpc");
    headers.add("user-agent", "Envoy/HC");
    for (const { header } of this.#config.initialMetadata)
      if (header !== undefined) headers.add(header.key.toLowerCase(), header.value);
    headers.add("grpc-timeout", this.#timeout);
    const answer = new Answer(done);
    const stream = this.#calls.open({ cluster, headers, end: false, timeout: 0 }, answer);
    if (answer.over) return () => {};
    stream.data(this.#request, true);
    return () => stream.cancel();
  }
}

/** What comes back. */
class Answer implements AsyncStreamHandler {
  over = false;
  readonly #done: (outcome: ProbeOutcome) => void;
  readonly #decoder = new FrameDecoder();
  #serving = false;

  constructor(done: (outcome: ProbeOutcome) => void) {
    this.#done = done;
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    headers.release();
    // Without an answer there is no word of SERVING.
    if (end) this.#finish(UNHEALTHY);
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.over) return;
    try {
      for (const message of this.#decoder.push(chunk)) this.#serving = isServing(message);
    } catch {
      this.#serving = false;
    }
    if (end) this.#finish(UNHEALTHY);
  }

  onTrailers(trailers: HeaderMap): void {
    const ok = trailers.get("grpc-status") === "0";
    trailers.release();
    this.#finish(ok && this.#serving ? HEALTHY : UNHEALTHY);
  }

  onDrain(): void {}

  onFailure(): void {
    this.#finish(NETWORK);
  }

  #finish(outcome: ProbeOutcome): void {
    if (this.over) return;
    this.over = true;
    this.#done(outcome);
  }
}

/** A grpc.health.v1.HealthCheckRequest. */
function requestFor(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return name;
  const length = name.length > MAX_NAME ? [(name.length & 0x7f) | 0x80, name.length >> 7] : [name.length];
  return Buffer.concat([Buffer.from([SERVICE_TAG, ...length]), name]);
}

/** Of a grpc.health.v1.HealthCheckResponse, whose one field is the status. */
function isServing(message: Uint8Array): boolean {
  return message.length === 2 && message[0] === STATUS_TAG && message[1] === SERVING;
}
