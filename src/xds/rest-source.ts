import type { Clock } from "../base/clock.ts";
import type { AsyncCall, AsyncFailure, AsyncRequests } from "../http/async-stream.ts";
import { HeaderMap } from "../http/header-map.ts";
import { LoadError, loadMessage } from "../proto/load.ts";
import { create, toJson } from "../proto/registry.ts";
import { textWithPath } from "../proto/within.ts";
import type { Node, ResourceDecoder, Watch, WatchHandler } from "./source.ts";
import type { XdsType } from "./types.ts";

/** Longest answer that is read, in bytes. */
const MAX_BODY = 256 * 1024 * 1024;

export interface RestSourceOptions {
  readonly type: XdsType;
  /** undefined = all resources. */
  readonly name: string | undefined;
  readonly node: Node;
  readonly cluster: string;
  readonly calls: AsyncRequests;
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
  #call: AsyncCall | undefined;
  #closed = false;

  constructor(options: RestSourceOptions, handler: WatchHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  start(): void {
    queueMicrotask(() => this.#poll());
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#call?.cancel();
  }

  #poll(): void {
    if (this.#closed) return;
    this.#handler.onAttempt();
    const { cluster, requestTimeout, calls } = this.#options;
    const body = this.#body();
    this.#call = calls.send(
      { cluster, headers: this.#headers(body), body, timeout: requestTimeout, maxBody: MAX_BODY },
      {
        onResponse: (headers, bytes) => {
          this.#take(headers.status, bytes.toString());
          this.#pause();
        },
        onFailure: (reason, detail) => {
          this.#fail("connection", describe(reason, detail, requestTimeout));
          this.#pause();
        },
      },
    );
  }

  #pause(): void {
    if (this.#closed) return;
    const { refreshDelay, clock, random } = this.#options;
    this.#cancelTimer = clock.after(refreshDelay + random() * refreshDelay, () => this.#poll());
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
      this.#fail("rejected", textWithPath(error as Error));
    }
  }

  #fail(kind: "connection" | "rejected", detail: string): void {
    if (!this.#closed) this.#handler.onFailure(kind, detail);
  }

  #body(): Buffer {
    const { type, name, node } = this.#options;
    const request = create("envoy.service.discovery.v3.DiscoveryRequest", {
      versionInfo: this.#version,
      node,
      resourceNames: name === undefined ? [] : [name],
      typeUrl: type.typeUrl,
    });
    return Buffer.from(JSON.stringify(toJson("envoy.service.discovery.v3.DiscoveryRequest", request)));
  }

  #headers(body: Buffer): HeaderMap {
    const { cluster, type } = this.#options;
    const headers = HeaderMap.acquire();
    headers.method = "POST";
    headers.scheme = "http";
    headers.authority = cluster;
    headers.path = type.restPath;
    headers.add("content-type", "application/json");
    headers.add("content-length", String(body.length));
    headers.add("user-agent", "weft");
    return headers;
  }
}

function describe(reason: AsyncFailure, detail: string, timeout: number): string {
  return reason === "timeout" ? `no answer within ${timeout} ms` : detail;
}
