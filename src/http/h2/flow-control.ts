// Flow control (RFC 9113 sections 5.2 and 6.9), the receiving half. The sending half is one number per stream and one per
// connection: what may still be sent.

/** Both windows before any setting or update. */
export const DEFAULT_WINDOW = 65_535;
/** Largest window. */
export const MAX_WINDOW = 0x7fff_ffff;

/** What a peer may still send, on a stream or on a connection. Credit is given back when bytes have been used up. */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  #used = 0;

  /** @param size the window when nothing is under way */
  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** Takes received bytes from the window; false if the peer had no right to send them. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Bytes have been used up. */
  use(bytes: number): void {
    this.#used += bytes;
  }

  /** Increment to announce now; 0 while it is less than half the window. */
  takeCredit(): number {
    const used = this.#used;
    if (used === 0 || used * 2 < this.#size) return 0;
    this.#used = 0;
    this.#left += used;
    return used;
  }
}
