import type { Clock } from "../../base/clock.ts";
import type { FrameWriter } from "./frame/frame-writer.ts";
import type { H2Options } from "./options.ts";

// Limits on what a peer may make us do for nothing. The first three are Envoy's (source/common/http/http2/protocol_constraints.cc).

export const EMPTY_FRAMES = "http2.inbound_empty_frames_flood";
export const PRIORITY_FRAMES = "codec_error:Too_many_PRIORITY_frames";
export const WINDOW_UPDATE_FRAMES = "codec_error:Too_many_WINDOW_UPDATE_frames";
const CONTROL_FRAMES = "http2.inbound_control_frames_flood";
export const OUTBOUND_FRAMES = "http2.outbound_frames_flood";
export const OUTBOUND_CONTROL_FRAMES = "http2.outbound_control_frames_flood";
export const CONTINUATION_FRAMES = "http2.continuation_flood";
const PREMATURE_RESETS = "http2.too_many_premature_resets";

/** SETTINGS, PING and unknown frames beyond one per stream that may come within CONTROL_PERIOD. */
const CONTROL_LIMIT = 10_000;
/** Milliseconds. */
const CONTROL_PERIOD = 10_000;
/** A stream that lived longer than this, in milliseconds, was not reset prematurely. */
export const PREMATURE_AGE = 1000;

/** Counts of one connection. Each `on…` returns "" or, when the limit is passed, the name of the flood. */
export class InboundBudgets {
  /** Streams opened on the connection so far. */
  streams = 0;
  dataFramesSent = 0;
  readonly #options: H2Options;
  readonly #clock: Clock;
  #emptyFrames = 0;
  #priorityFrames = 0;
  #windowUpdates = 0;
  #controlFrames = 0;
  #controlSince = 0;
  #closedStreams = 0;
  #prematureResets = 0;

  constructor(options: H2Options, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** A DATA, HEADERS or CONTINUATION frame; `useful` if it has a payload or ends its stream. */
  onPayloadFrame(useful: boolean): string {
    if (useful) {
      this.#emptyFrames = 0;
      return "";
    }
    const limit = this.#options.maxConsecutiveInboundFramesWithEmptyPayload;
    return ++this.#emptyFrames > limit ? EMPTY_FRAMES : "";
  }

  onPriority(): string {
    const limit = this.#options.maxInboundPriorityFramesPerStream * (1 + this.streams);
    return ++this.#priorityFrames > limit ? PRIORITY_FRAMES : "";
  }

  onWindowUpdate(): string {
    const perFrame = this.#options.maxInboundWindowUpdateFramesPerDataFrameSent;
    const limit = 5 + 2 * (this.streams + perFrame * this.dataFramesSent);
    return ++this.#windowUpdates > limit ? WINDOW_UPDATE_FRAMES : "";
  }

  /** SETTINGS, PING, and types that nobody knows. */
  onControlFrame(): string {
    if (++this.#controlFrames < CONTROL_LIMIT + this.streams) return "";
    const now = this.#clock.now();
    if (this.#controlSince !== 0 && now - this.#controlSince < CONTROL_PERIOD) return CONTROL_FRAMES;
    this.#controlSince = now;
    this.#controlFrames = this.streams;
    return "";
  }

  /**
   * A stream that the peer opened is over. Rapid reset: `premature` ones ended young and without a response, because the peer
   * reset them or made us do it. The connection ends as soon as they must be half of `limit` streams (Envoy's rule).
   */
  onStreamClosed(premature: boolean, limit: number): string {
    this.#closedStreams++;
    if (!premature) return "";
    const doubled = ++this.#prematureResets * 2;
    return doubled >= Math.max(limit, this.#closedStreams) ? PREMATURE_RESETS : "";
  }
}

/** The name of the flood when too much waits to be written, else "". */
export function outboundFlood(writer: FrameWriter, options: H2Options): string {
  if (writer.controlFrames > options.maxOutboundControlFrames) return OUTBOUND_CONTROL_FRAMES;
  return writer.blockedFrames > options.maxOutboundFrames ? OUTBOUND_FRAMES : "";
}
