import type { Deferred } from "../../http/stream.ts";
import type { HcmConfig } from "./hcm-config.ts";
import { HcmStream } from "./hcm-stream.ts";

const POOL_LIMIT = 256;

/**
 * Streams of one configuration for reuse. A stream that is over may still be on the call stack, so it waits until the
 * stack is empty before it is cleared and handed out again.
 */
export class StreamPool implements Deferred {
  readonly #config: HcmConfig;
  #free: HcmStream[] = [];
  readonly #retired: HcmStream[] = [];
  #scheduled = false;
  #closed = false;

  constructor(config: HcmConfig) {
    this.#config = config;
  }

  take(): HcmStream {
    return this.#free.pop() ?? new HcmStream(this.#config);
  }

  retire(stream: HcmStream): void {
    this.#retired.push(stream);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#config.context.net.turn.defer(this);
  }

  runDeferred(): void {
    this.#scheduled = false;
    for (let stream = this.#retired.pop(); stream !== undefined; stream = this.#retired.pop())
      if (stream.recycle() && this.#free.length < POOL_LIMIT && !this.#closed) this.#free.push(stream);
      else stream.dispose();
  }

  /** The configuration is not used any longer. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#free) stream.dispose();
    this.#free = [];
  }
}
