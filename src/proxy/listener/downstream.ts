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
    return (this.#record ??= this.#createRecord());
  }

  #createRecord(): StreamInfo {
    const record = new StreamInfo();
    record.connection = this.info;
    record.start = this.#accepted;
    record.startWall = this.#clock.wall() - (this.#clock.now() - this.#accepted);
    record.downstreamRemoteAddress = this.info.remoteAddress;
    record.downstreamRemoteIp = this.info.remoteIp;
    record.dynamicMetadata = this.info.dynamicMetadata;
    record.filterState = this.info.filterState;
    return record;
  }
}
