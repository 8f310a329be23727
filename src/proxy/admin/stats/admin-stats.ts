import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Counter, Gauge, StatScope, StatStore } from "../../../stats/stat-store.ts";
import type { Histogram } from "../../../stats/histogram.ts";

/** Counts the admin server's own connections and requests, as Envoy does below "http.admin." and "listener.admin.". */
export class AdminStats {
  readonly #http: StatScope;
  readonly #listener: StatScope;
  readonly #requests: readonly Counter[];
  readonly #active: Gauge;
  readonly #time: Histogram;
  readonly #completed: readonly Counter[];
  readonly #classes: readonly (readonly Counter[])[];

  constructor(stats: StatStore) {
    const http = stats.scope("http.admin.");
    const listener = stats.scope("listener.admin.http.admin.");
    this.#http = http;
    this.#listener = stats.scope("listener.admin.");
    this.#requests = ["downstream_rq_total", "downstream_rq_http1_total"].map((name) => http.counter(name));
    this.#active = http.gauge("downstream_rq_active");
    this.#time = http.histogram("downstream_rq_time");
    this.#completed = [http, listener].map((scope) => scope.counter("downstream_rq_completed"));
    this.#classes = [1, 2, 3, 4, 5].map((digit) =>
      [http, listener].map((scope) => scope.counter(`downstream_rq_${digit}xx`)),
    );
  }

  count(server: Server): void {
    server.on("connection", (socket) => this.#onConnection(socket));
    server.prependListener("request", (_request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(response),
    );
  }

  #onConnection(socket: Socket): void {
    const started = performance.now();
    const http = this.#http;
    const listener = this.#listener;
    const totals = [
      http.counter("downstream_cx_total"),
      http.counter("downstream_cx_http1_total"),
      listener.counter("downstream_cx_total"),
      listener.counter("main_thread.downstream_cx_total"),
    ];
    const active = [
      http.gauge("downstream_cx_active"),
      http.gauge("downstream_cx_http1_active"),
      listener.gauge("downstream_cx_active"),
      listener.gauge("main_thread.downstream_cx_active"),
    ];
    for (const total of totals) total.inc();
    for (const gauge of active) gauge.inc();
    socket.once("close", () => {
      for (const gauge of active) gauge.dec();
      for (const scope of [http, listener]) {
        scope.counter("downstream_cx_destroy").inc();
        scope.histogram("downstream_cx_length_ms").record(performance.now() - started);
      }
      http.counter("downstream_cx_rx_bytes_total").add(socket.bytesRead);
      http.counter("downstream_cx_tx_bytes_total").add(socket.bytesWritten);
    });
  }

  #onRequest(response: ServerResponse): void {
    const started = performance.now();
    for (const total of this.#requests) total.inc();
    this.#active.inc();
    response.once("close", () => {
      this.#active.dec();
      this.#time.record(performance.now() - started);
      if (!response.headersSent) return;
      for (const counter of this.#completed) counter.inc();
      for (const counter of this.#classes[Math.floor(response.statusCode / 100) - 1] ?? []) counter.inc();
    });
  }
}
