import type { HeaderMap } from "../header-map.ts";
import type { ResetReason } from "../stream.ts";
import type { ErrorCode } from "./error-code.ts";
import type { H2Stream } from "./h2-stream.ts";

/** What differs between server and client. */
export interface ConnectionSide {
  readonly isServer: boolean;
  /** A field block for a stream that is open, or for none. `bytes` must be given to `decode` in any case. */
  onHeaders(
    id: number,
    stream: H2Stream | undefined,
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): void;
  writeHead(stream: H2Stream, headers: HeaderMap): void;
  onPingAck(bytes: Buffer, start: number): void;
  onGoAway(lastStreamId: number, code: ErrorCode): void;
  /** END_STREAM has been written; the peer's has not come or not been delivered if the stream is not over. */
  onLocalEnd(stream: H2Stream): void;
  /** The end of our message waits for the peer's windows. */
  onStalled(stream: H2Stream): void;
  /** The handler has had the end of the peer's message. */
  onInboundEnd(stream: H2Stream): void;
  /** A stream is about to be reset by its handler. */
  onLocalReset(): void;
  /** A stream has left the table, in good order or for a reason; `faulty` if the peer reset it or made us reset it. */
  onStreamOver(stream: H2Stream, faulty: boolean, reason: ResetReason | undefined): void;
  /** Long bodies come in, from now on or not any more. */
  onLongBodies(on: boolean): void;
  /** The connection failed: GOAWAY is written, the streams know. */
  onFailure(): void;
}
