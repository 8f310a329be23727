import type { Clock } from "../../base/clock.ts";
import type { Connection } from "../../net/connection.ts";
import type { DownstreamConnection } from "../api.ts";
import { StreamInfo, type ConnectionInfo } from "../stream-info.ts";

/** An accepted connection as its filter chain gets it. */
export class Downstream implements DownstreamConnection {
  readonly connection: Connection;
  readonly info: ConnectionInfo;
  readonly #clock: Clock;
  readonly #accepted: number;
  #record: StreamInfo | undefined;

  /** @param accepted when it was accepted, in monotonic milliseconds of the clock */
  constructor(connection: Connection, info: ConnectionInfo, clock: Clock, accepted: number) {
    this.connection = connection;
    this.info = info;
    this.#clock = clock;
    this.#accepted = accepted;
  }

  get record(): StreamInfo {
    return (this.#record ??= connectionRecord(this.info, this.#clock, this.#accepted));
  }
}

/** The record of a connection that was accepted at this time of the clock. */
export function connectionRecord(info: ConnectionInfo, clock: Clock, accepted: number): StreamInfo {
  const record = new StreamInfo();
  record.connection = info;
  record.start = accepted;
  record.startWall = clock.wall() - (clock.now() - accepted);
  record.downstreamRemoteAddress = info.remoteAddress;
  record.downstreamRemoteIp = info.remoteIp;
  record.dynamicMetadata = info.dynamicMetadata;
  record.filterState = info.filterState;
  return record;
}
