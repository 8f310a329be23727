import type { H1ClientStream } from "../../../http/h1/client-stream.ts";
import { H1ClientCodec } from "../../../http/h1/client-codec.ts";
import type { CodecStream } from "../../../http/stream.ts";
import type { Connection } from "../../../net/connection.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import { NOBODY } from "./nobody.ts";
import { PoolConnection } from "./pool-connection.ts";

/** Tells resets by our side from responses that came to their end. */
class PoolCodec extends H1ClientCodec {
  wasReset = false;

  override streamReset(stream: H1ClientStream): void {
    this.wasReset = true;
    super.streamReset(stream);
  }
}

/** An HTTP/1.1 connection: one stream at a time. */
export class H1PoolConnection extends PoolConnection {
  readonly protocol = "HTTP/1.1";
  protected readonly codec: PoolCodec;

  constructor(pool: ConnectionPool, connection: Connection, start: number) {
    super(pool, connection, start);
    this.codec = new PoolCodec(connection, this, pool.settings.http1);
  }

  get takesStreams(): boolean {
    return this.active === 0 && !this.retired && !this.closed;
  }

  onIdle(): void {
    if (this.closed || this.active === 0) return;
    this.streamEnded();
    if (this.retired) this.close();
    else this.pool.available(this);
  }

  onUnusable(reason: "close" | "protocol-error" | "go-away" | "unfinished-request"): void {
    if (this.closed) return;
    if (reason === "protocol-error") this.pool.context.stats.cxProtocolError.inc();
    if (this.codec.activeStreams > 0) {
      this.retired = true;
      return;
    }
    const done = reason === "close" && !this.peerClosed && !this.codec.wasReset;
    if (done && this.active > 0) this.streamEnded();
    this.close();
  }

  protected newStream(): CodecStream {
    this.pool.unlist(this);
    return this.codec.newStream(NOBODY);
  }

  /** An idle connection is of no use then. The codec may hold bytes that a stream has yet to take; it ends by `onUnusable`. */
  protected peerEnded(): void {
    if (this.active > 0) this.codec.onEnd();
    else this.close();
  }

  protected lost(): void {
    if (this.active > 0) this.codec.onConnectionClosed("");
    else this.close();
  }

  protected endStreams(): void {
    if (this.active > 0) this.streamEnded();
  }
}
