import type { Messages } from "../../proto/messages.d.ts";
import {
  ResponseFlag,
  type AccessLogs,
  type DownstreamConnection,
  type NetworkFilterContext,
  type StreamInfo,
} from "../api.ts";
import type { ConnectionInfo } from "../stream-info.ts";
import { connectionRecord } from "./downstream.ts";

/** The access logs of a listener: a line for each of its connections, those too that no filter chain took. */
export class ConnectionLog {
  readonly #logs: AccessLogs;
  readonly #context: NetworkFilterContext;

  constructor(
    list: readonly Messages["envoy.config.accesslog.v3.AccessLog"][],
    context: NetworkFilterContext,
  ) {
    this.#logs = context.accessLogs(list);
    this.#context = context;
  }

  /** No filter chain fits. @param accepted when it was accepted, in the clock's milliseconds */
  refused(info: ConnectionInfo, accepted: number): void {
    const record = connectionRecord(info, this.#context.clock, accepted);
    record.setFlag(ResponseFlag.NoRouteFound);
    record.responseCodeDetails = "filter_chain_not_found";
    this.#write(record);
  }

  /** The handshake failed. */
  unsecured(info: ConnectionInfo, accepted: number): void {
    this.#write(connectionRecord(info, this.#context.clock, accepted));
  }

  closed({ record, connection }: DownstreamConnection): void {
    record.bytesReceived = record.wireBytesReceived = connection.bytesReceived;
    record.bytesSent = record.wireBytesSent = connection.bytesSent;
    this.#write(record);
  }

  close(): void {
    this.#logs.flush();
  }

  #write(record: StreamInfo): void {
    record.logType = "NotSet";
    record.end = this.#context.clock.now();
    this.#logs.write(record);
  }
}
