import { H2ClientCodec } from "../../../http/h2/client-codec.ts";
import type { H2Stream } from "../../../http/h2/h2-stream.ts";
import type { CodecStream, ResetReason } from "../../../http/stream.ts";
import type { Connection } from "../../../net/connection.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import { NOBODY } from "./nobody.ts";
import { PoolConnection } from "./pool-connection.ts";

/** Tells of every stream that ends, however it does. */
class PoolCodec extends H2ClientCodec {
  owner: H2PoolConnection | null = null;

  override onLocalReset(): void {
    this.owner?.countReset("local-reset");
  }

  override onStreamOver(stream: H2Stream, faulty: boolean, reason: ResetReason | undefined): void {
    this.owner?.streamOver(reason);
    super.onStreamOver(stream, faulty, reason);
  }
}

/** An HTTP/2 connection: as many streams as both sides allow. */
export class H2PoolConnection extends PoolConnection {
  readonly protocol = "HTTP/2";
  protected readonly codec: PoolCodec;

  constructor(pool: ConnectionPool, connection: Connection, start: number) {
    super(pool, connection, start);
    const { settings, context } = pool;
    const { wheel, clock, stats } = context;
    this.codec = new PoolCodec(connection, this, settings.http2, wheel, clock, stats.http2);
    this.codec.owner = this;
  }

  get takesStreams(): boolean {
    return !this.retired && !this.closed && this.codec.availableStreams > 0;
  }

  override onBytes(bytes: Buffer, start: number, end: number): void {
    super.onBytes(bytes, start, end);
    // Settings may allow more streams than before.
    if (!this.listed && !this.retired && !this.closed) this.pool.available(this);
  }

  onIdle(): void {
    if (!this.retired) this.pool.available(this);
    else if (this.active === 0) this.close();
  }

  onUnusable(reason: "close" | "protocol-error" | "go-away" | "unfinished-request"): void {
    if (this.closed) return;
    const { stats } = this.pool.context;
    if (reason === "protocol-error") stats.cxProtocolError.inc();
    if (reason !== "go-away") return this.close();
    if (!this.retired) stats.cxCloseNotify.inc();
    this.retire();
  }

  /** A stream has left the codec, in good order or for a reason. */
  streamOver(reason: ResetReason | undefined): void {
    if (reason !== undefined) this.countReset(reason);
    this.streamEnded();
  }

  countReset(reason: ResetReason): void {
    const { stats } = this.pool.context;
    switch (reason) {
      case "connection-termination":
        return stats.rqPendingFailureEject.inc();
      case "local-reset":
      case "protocol-error":
        return stats.rqTxReset.inc();
      case "remote-reset":
        return stats.rqRxReset.inc();
    }
  }

  protected newStream(): CodecStream {
    const { codec } = this;
    const stream = codec.newStream(NOBODY);
    if (codec.availableStreams === 0) this.pool.unlist(this);
    return stream;
  }

  protected peerEnded(): void {
    this.close();
  }

  protected lost(): void {
    this.close();
  }

  protected endStreams(): void {
    this.codec.onConnectionClosed("");
  }
}
