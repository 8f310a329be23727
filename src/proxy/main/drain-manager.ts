import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../api.ts";
import { DRAIN_ALL } from "../link.ts";
import type { ProxyOptions } from "../options.ts";

/** How often a draining proxy looks whether its last connection is gone, in milliseconds. */
const POLL = 50;
/** How long a shutdown goes on accepting, in milliseconds. */
const GRACE = 250;
/** How long a shutdown waits for open connections unless --drain-time-s says otherwise, in milliseconds. */
const SHUTDOWN_TIME = 30_000;
/** How often the share of responses that end their connection grows, in milliseconds. */
const GRADUAL_STEP = 100;

export interface DrainHost {
  /** Client connections that are open now. */
  openConnections(): number;
  /** Resolves when the workers have stopped. */
  stopListening(how: { inboundOnly: boolean; closeIdle: boolean; shared: boolean }): Promise<void>;
  close(): void;
}

/** Brings connections to an end: at shutdown, when another generation has taken over, and when the admin asks for it. */
export class DrainManager {
  /** See `WorkerInit.drainState`. */
  readonly state = new SharedArrayBuffer(8);
  readonly #options: ProxyOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #host: DrainHost;
  #healthcheckFailed = false;
  #draining = false;
  #leaving = false;
  #share = 0;

  constructor(options: ProxyOptions, clock: Clock, log: Logger, host: DrainHost) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#host = host;
  }

  /** New connections are refused, or will be, or should go elsewhere: /ready says so. */
  get draining(): boolean {
    return this.#draining || this.#healthcheckFailed;
  }

  /** The process is on its way out. */
  get leaving(): boolean {
    return this.#leaving;
  }

  set healthcheckFailed(failed: boolean) {
    this.#healthcheckFailed = failed;
    this.#publish();
  }

  /** Stops accepting, lets open connections finish for a time, then closes. */
  shutDown(): void {
    const { drainTimeGiven, drainTime } = this.#options;
    const time = drainTimeGiven ? drainTime : SHUTDOWN_TIME;
    this.#log.info(`shutting down: draining connections for at most ${time / 1000} s`);
    this.#leave(DRAIN_ALL);
    // Until clients and load balancers know, new connections are served; their responses say close.
    this.#clock.after(Math.min(GRACE, time), () => {
      void this.#host
        .stopListening({ inboundOnly: false, closeIdle: true, shared: false })
        .then(() => this.#closeWhenEmpty(time - GRACE));
    });
  }

  /** The next generation serves: does not listen any more, drains by the drain strategy, then closes. */
  retire(): void {
    const { drainTime, drainStrategy, parentShutdownTime } = this.#options;
    const gradual = drainStrategy === "gradual";
    this.#log.info(`another generation serves: draining connections for ${drainTime / 1000} s`);
    this.#leave(gradual ? 0 : DRAIN_ALL);
    if (gradual) this.#drainGradually();
    const stop = (closeIdle: boolean): Promise<void> =>
      this.#host.stopListening({ inboundOnly: false, closeIdle, shared: true });
    void stop(!gradual).then(() => this.#closeWhenEmpty(parentShutdownTime));
    if (gradual) this.#clock.after(drainTime, () => void stop(true));
  }

  /** POST /drain_listeners. */
  drainListeners(how: { graceful: boolean; skipExit: boolean; inboundOnly: boolean }): void {
    const stop = (): void =>
      void this.#host.stopListening({
        inboundOnly: how.inboundOnly,
        closeIdle: this.#draining,
        shared: false,
      });
    if (!how.graceful && !how.skipExit) return stop();
    this.#draining = true;
    if (this.#options.drainStrategy === "gradual") this.#drainGradually();
    else this.#share = DRAIN_ALL;
    this.#publish();
    if (!how.skipExit) this.#clock.after(this.#options.drainTime, stop);
  }

  #leave(share: number): void {
    this.#leaving = true;
    this.#draining = true;
    this.#share = Math.max(this.#share, share);
    this.#publish();
  }

  #closeWhenEmpty(time: number): void {
    const deadline = this.#clock.now() + time;
    const look = (): void => {
      const open = this.#host.openConnections();
      const late = this.#clock.now() >= deadline;
      if (late && open > 0) this.#log.warn(`closing ${open} connection(s) that did not finish in time`);
      if (open > 0 && !late) this.#clock.after(POLL, look);
      else this.#host.close();
    };
    // Stats of the last requests come with the workers' next messages.
    this.#clock.after(POLL, look);
  }

  /** The chance that a response ends its connection is the part of the drain time that is over. */
  #drainGradually(): void {
    const started = this.#clock.now();
    const step = (): void => {
      const part = (this.#clock.now() - started) / Math.max(1, this.#options.drainTime);
      this.#share = Math.max(this.#share, Math.min(DRAIN_ALL, Math.ceil(part * DRAIN_ALL)));
      this.#publish();
      if (this.#share < DRAIN_ALL) this.#clock.after(GRADUAL_STEP, step);
    };
    step();
  }

  #publish(): void {
    new Int32Array(this.state).set([this.#healthcheckFailed ? DRAIN_ALL : this.#share, this.#share]);
  }
}
