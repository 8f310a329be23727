import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import type { LocalReply } from "../api.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { HcmConfig } from "./hcm-config.ts";

const IDLE = 0;
const REQUEST = 1;
const HEADERS = 2;
const DURATION = 3;

/** What timers need of their stream. */
export interface TimedStream {
  readonly requestComplete: boolean;
  /** False between requests: a pooled stream's idle timer may fire then. */
  readonly active: boolean;
  sendLocalReply(reply: LocalReply): void;
}

/** The timeouts of one pooled stream. Activity costs a clock reading, not a wheel operation. */
export class StreamTimers implements TimerOwner {
  /** Monotonic milliseconds of the last thing that happened on the stream. */
  lastActivity = 0;
  readonly #stream: TimedStream;
  readonly #config: HcmConfig;
  readonly #idle = new Timer(this, IDLE);
  readonly #request = new Timer(this, REQUEST);
  readonly #headers = new Timer(this, HEADERS);
  readonly #duration = new Timer(this, DURATION);
  #idleTimeout = 0;
  #start = 0;

  constructor(stream: TimedStream, config: HcmConfig) {
    this.#stream = stream;
    this.#config = config;
  }

  begin(now: number): void {
    const { context, streamIdleTimeout, requestTimeout, requestHeadersTimeout, maxStreamDuration } =
      this.#config;
    this.lastActivity = this.#start = now;
    this.#idleTimeout = streamIdleTimeout;
    // Still armed by an earlier request, it looks at `lastActivity` when it fires.
    if (streamIdleTimeout > 0 && !this.#idle.armed) context.wheel.arm(this.#idle, streamIdleTimeout);
    if (requestTimeout > 0) context.wheel.arm(this.#request, requestTimeout);
    if (requestHeadersTimeout > 0) context.wheel.arm(this.#headers, requestHeadersTimeout);
    if (maxStreamDuration > 0) context.wheel.arm(this.#duration, maxStreamDuration);
  }

  touch(): void {
    this.lastActivity = this.#config.context.clock.now();
  }

  headersArrived(): void {
    if (this.#headers.armed) this.#config.context.wheel.disarm(this.#headers);
  }

  /** The request is complete, or its response has begun. */
  requestEnded(): void {
    if (this.#request.armed) this.#config.context.wheel.disarm(this.#request);
  }

  /** A route's own idle timeout; 0 = none. */
  setIdleTimeout(ms: number): void {
    if (ms === this.#idleTimeout) return;
    this.#idleTimeout = ms;
    if (ms > 0) this.#config.context.wheel.arm(this.#idle, ms);
  }

  /** A route's own limit on the whole stream, counted from its start; 0 = none. */
  setMaxDuration(ms: number): void {
    const { clock, wheel } = this.#config.context;
    if (this.#duration.armed) wheel.disarm(this.#duration);
    if (ms > 0) wheel.arm(this.#duration, Math.max(0, ms - (clock.now() - this.#start)));
  }

  end(): void {
    const { wheel } = this.#config.context;
    this.headersArrived();
    this.requestEnded();
    if (this.#duration.armed) wheel.disarm(this.#duration);
    if (this.#idleTimeout !== this.#config.streamIdleTimeout) wheel.disarm(this.#idle);
  }

  /** Leaves the wheel, which would hold the stream until the idle timeout is over. */
  dispose(): void {
    this.end();
    this.#config.context.wheel.disarm(this.#idle);
  }

  onTimer(kind: number): void {
    const stream = this.#stream;
    if (!stream.active) return;
    const counters = this.#config.stats.counters;
    const close = !stream.requestComplete;
    if (kind === IDLE) this.#onIdle(close);
    else if (kind === REQUEST) {
      counters.downstream_rq_timeout.inc();
      stream.sendLocalReply({
        status: 408,
        body: "request timeout",
        details: "request_overall_timeout",
        close,
      });
    } else if (kind === HEADERS) {
      counters.downstream_rq_header_timeout.inc();
      stream.sendLocalReply({
        status: 408,
        body: "request header timeout",
        details: "request_header_timeout",
        close,
      });
    } else {
      counters.downstream_rq_max_duration_reached.inc();
      const body = "downstream duration timeout";
      stream.sendLocalReply({ status: 504, body, details: "max_duration_timeout", grpcStatus: 4 });
    }
  }

  #onIdle(close: boolean): void {
    const { context, stats } = this.#config;
    if (this.#idleTimeout <= 0) return;
    const rest = this.#idleTimeout - (context.clock.now() - this.lastActivity);
    if (rest > 0) return context.wheel.arm(this.#idle, rest);
    stats.counters.downstream_rq_idle_timeout.inc();
    const status = close ? 408 : 504;
    const flags = ResponseFlag.StreamIdleTimeout;
    this.#stream.sendLocalReply({
      status,
      body: "stream timeout",
      details: "stream_idle_timeout",
      flags,
      close,
    });
  }
}
