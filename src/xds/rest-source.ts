import type { Clock } from "../base/clock.ts";
import { http } from "../base/node-http.ts";
import { LoadError, loadMessage } from "../proto/load.ts";
import { create, toJson } from "../proto/registry.ts";
import type { Endpoint, Node, ResourceDecoder, Watch, WatchHandler } from "./source.ts";
import type { XdsType } from "./types.ts";

/** Longest answer that is read, in bytes. */
const MAX_BODY = 256 * 1024 * 1024;

export interface RestSourceOptions {
  readonly type: XdsType;
  /** undefined = all resources. */
  readonly name: string | undefined;
  readonly node: Node;
  /** Name of the cluster, for messages and the Host header. */
  readonly cluster: string;
  endpoints(): Promise<readonly Endpoint[]>;
  readonly clock: Clock;
  random(): number;
  readonly decode: ResourceDecoder;
  /** Milliseconds between polls; up to as much again is added at random. */
  readonly refreshDelay: number;
  /** Milliseconds that one poll may take. */
  readonly requestTimeout: number;
}

/** Polls `POST /v3/discovery:…` for one resource or all of a type, at once and then over and over. */
export function watchRest(options: RestSourceOptions, handler: WatchHandler): Watch {
  const poller = new RestPoller(options, handler);
  poller.start();
  return { close: () => poller.close() };
}

class RestPoller {
  readonly #options: RestSourceOptions;
  readonly #handler: WatchHandler;
  #version = "";
  #cancelTimer: (() => void) | undefined;
  #abort: AbortController | undefined;
  #closed = false;
  #attempts = 0;

  constructor(options: RestSourceOptions, handler: WatchHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  start(): void {
    queueMicrotask(() => void this.#poll());
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#abort?.abort();
  }

  async #poll(): Promise<void> {
    if (this.#closed) return;
    this.#handler.onAttempt();
    let answer: { status: number; text: string } | undefined;
    try {
      answer = await this.#fetch();
    } catch (error) {
      this.#fail("connection", (error as Error).message);
    }
    if (this.#closed) return;
    if (answer !== undefined) this.#take(answer.status, answer.text);
    const { refreshDelay, clock } = this.#options;
    const wait = refreshDelay + this.#options.random() * refreshDelay;
    this.#cancelTimer = clock.after(wait, () => void this.#poll());
  }

  #take(status: number, text: string): void {
    if (status === 304) return;
    if (status !== 200) return this.#fail("connection", `HTTP status ${status}`);
    const { type, name, cluster } = this.#options;
    const file = `${cluster}${type.restPath}`;
    const loaded = loadMessage("envoy.service.discovery.v3.DiscoveryResponse", text, {
      file,
      format: "json",
    });
    if (loaded.message === undefined) return this.#fail("rejected", new LoadError(loaded.problems).message);
    try {
      const all = this.#options.decode(type, loaded.message.resources);
      const own = name === undefined ? all : all.filter((resource) => resource.name === name);
      this.#handler.onResources(own, loaded.message.versionInfo);
      this.#version = loaded.message.versionInfo;
    } catch (error) {
      this.#fail("rejected", (error as Error).message);
    }
  }

  #fail(kind: "connection" | "rejected", detail: string): void {
    if (!this.#closed) this.#handler.onFailure(kind, detail);
  }

  async #fetch(): Promise<{ status: number; text: string }> {
    const { type, name, node, cluster, requestTimeout } = this.#options;
    const endpoints = await this.#options.endpoints();
    if (endpoints.length === 0) throw new Error("no healthy upstream");
    const endpoint = endpoints[this.#attempts++ % endpoints.length]!;
    const body = create("envoy.service.discovery.v3.DiscoveryRequest", {
      versionInfo: this.#version,
      node,
      resourceNames: name === undefined ? [] : [name],
      typeUrl: type.typeUrl,
    });
    this.#abort = new AbortController();
    const text = JSON.stringify(toJson("envoy.service.discovery.v3.DiscoveryRequest", body));
    return post(endpoint, type.restPath, cluster, text, requestTimeout, this.#abort.signal);
  }
}

function post(
  endpoint: Endpoint,
  path: string,
  host: string,
  body: string,
  timeout: number,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const where =
    endpoint.path === undefined
      ? { host: endpoint.host, port: endpoint.port }
      : { socketPath: endpoint.path };
  const headers = {
    host,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "user-agent": "weft",
  };
  const request = http.request({ ...where, path, method: "POST", headers, signal }, (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_BODY) request.destroy(new Error(`the answer is larger than ${MAX_BODY} bytes`));
    });
    response.on("end", () =>
      resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }),
    );
    response.on("error", reject);
  });
  const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout);
  request.on("error", reject);
  request.on("close", () => {
    clearTimeout(timer);
    reject(new Error("the connection closed before the whole answer came"));
  });
  request.end(body);
  return promise;
}
