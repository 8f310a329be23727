import type { HeaderMap } from "../../http/header-map.ts";

/** Where one filter holds one direction of a stream back, and what is waiting there. Pooled with its stream. */
export class Gate {
  stopped = false;
  /** The filter owes an answer (a promise): it must not be asked again before. */
  waiting = false;
  /** Pause the sender at the limit instead of failing. */
  watermark = false;
  paused = false;
  headersHeld = false;
  headersEnd = false;
  /** What goes on in place of what the hook was called with. */
  replacement: Buffer | undefined = undefined;
  /** The filter is in one of its hooks and already said "go on". */
  inHook = false;
  continuedEarly = false;
  /** Body that the filter has seen, and body that came while it was waiting. */
  seen: Buffer[] = [];
  unseen: Buffer[] = [];
  size = 0;
  /** The last chunk held ends the message. */
  end = false;
  trailers: HeaderMap | undefined = undefined;
  trailersSeen = false;
  #used = false;

  stop(watermark: boolean): void {
    this.#used = true;
    this.stopped = true;
    this.watermark = watermark;
  }

  /** Keeps a copy of a lent chunk. */
  keep(chunk: Buffer, end: boolean, seen: boolean): void {
    if (chunk.length > 0) {
      (seen ? this.seen : this.unseen).push(Buffer.from(chunk));
      this.size += chunk.length;
    }
    if (end) this.end = true;
  }

  take(list: Buffer[]): Buffer {
    const all = list.length === 1 ? list[0]! : Buffer.concat(list);
    list.length = 0;
    this.size -= all.length;
    return all;
  }

  reset(): void {
    this.replacement = undefined;
    if (!this.#used) return;
    this.#used = false;
    this.stopped = this.waiting = this.watermark = this.paused = false;
    this.headersHeld = this.headersEnd = this.inHook = this.continuedEarly = false;
    this.end = this.trailersSeen = false;
    // Setting a length is a call into the runtime, even from 0 to 0.
    if (this.seen.length > 0) this.seen.length = 0;
    if (this.unseen.length > 0) this.unseen.length = 0;
    this.size = 0;
    this.trailers = undefined;
  }
}
