import { Timer, type TimerOwner } from "../../../base/timer-wheel.ts";
import type { GrpcStream } from "../../../grpc/client-call.ts";
import type { GrpcClient } from "../../../grpc/client.ts";
import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import { create, encode, type MessageInit } from "../../../proto/registry.ts";
import type { AccessLogContext } from "../../../proxy/api.ts";
import type { Counter } from "../../../stats/stat-store.ts";

type Config = Messages["envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig"];
type LogEntries = MessageInit<"envoy.service.accesslog.v3.StreamAccessLogsMessage">["logEntries"];

const METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
const MESSAGE = "envoy.service.accesslog.v3.StreamAccessLogsMessage";
const DEFAULT_FLUSH_INTERVAL = 1000;
const DEFAULT_BUFFER_SIZE = 16_384;

/**
 * Sends entries to an access log service, in batches, on one stream that is opened anew when it broke. Entries that come while
 * the service does not keep up are dropped, and counted.
 */
export class LogStream<E> implements TimerOwner {
  readonly #client: GrpcClient;
  readonly #config: Config;
  readonly #context: AccessLogContext;
  readonly #pack: (entries: readonly E[]) => LogEntries;
  readonly #flushInterval: number;
  readonly #bufferSize: number;
  readonly #timer = new Timer(this);
  readonly #written: Counter;
  readonly #dropped: Counter;
  #stream: GrpcStream | undefined;
  #blocked = false;
  #entries: E[] = [];
  #size = 0;

  /** @param pack makes the part of a message that holds the entries */
  constructor(
    config: Config | undefined,
    context: AccessLogContext,
    pack: (entries: readonly E[]) => LogEntries,
  ) {
    if (config?.grpcService === undefined) throw new Error("common_config.grpc_service must be set");
    this.#config = config;
    this.#context = context;
    this.#pack = pack;
    // Streams have no end, whatever the service's timeout says.
    this.#client = context.calls.grpc(config.grpcService, 0);
    this.#flushInterval = durationMs(config.bufferFlushInterval, DEFAULT_FLUSH_INTERVAL);
    this.#bufferSize = config.bufferSizeBytes ?? DEFAULT_BUFFER_SIZE;
    this.#written = context.stats.counter("access_logs.grpc_access_log.logs_written");
    this.#dropped = context.stats.counter("access_logs.grpc_access_log.logs_dropped");
  }

  /** @param bytes about how long the entry is when encoded */
  add(entry: E, bytes: number): void {
    if (this.#isFull()) {
      this.flush();
      if (this.#isFull()) return this.#dropped.inc();
    }
    this.#written.inc();
    this.#entries.push(entry);
    this.#size += bytes;
    if (this.#size >= this.#bufferSize) this.flush();
    else if (!this.#timer.armed) this.#context.wheel.arm(this.#timer, this.#flushInterval);
  }

  onTimer(): void {
    this.flush();
  }

  /** Sends what is buffered, unless the service does not keep up. */
  flush(): void {
    if (this.#entries.length === 0 || this.#blocked) return;
    const first = this.#stream === undefined;
    if (first) this.#open();
    const logEntries = this.#pack(this.#entries);
    this.#entries = [];
    this.#size = 0;
    // As in Envoy, entries for a service that is not there are lost.
    if (this.#stream === undefined) return;
    const message = create(MESSAGE, { logEntries, ...(first && { identifier: this.#identifier() }) });
    this.#blocked = !this.#stream.send(encode(MESSAGE, message));
  }

  #isFull(): boolean {
    return this.#bufferSize > 0 && this.#size >= this.#bufferSize;
  }

  #open(): void {
    let over = false;
    const stream = this.#client.open(METHOD, {
      onMessage() {},
      onDrain: () => {
        this.#blocked = false;
        this.flush();
      },
      onEnd: () => {
        over = true;
        this.#stream = undefined;
        this.#blocked = false;
      },
    });
    if (!over) this.#stream = stream;
  }

  #identifier(): MessageInit<"envoy.service.accesslog.v3.StreamAccessLogsMessage.Identifier"> {
    const { id, cluster, zone } = this.#context.node;
    const node = { id, cluster, ...(zone !== "" && { locality: { zone } }), userAgentName: "weft" };
    return { node, logName: this.#config.logName };
  }
}
