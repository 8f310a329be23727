import type { ConnectionHandler } from "../../net/connection.ts";
import type {
  DownstreamConnection,
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkVerdict,
  PassingFilterFactory,
  TerminalFilterFactory,
} from "../api.ts";

const NO_BYTES = Buffer.alloc(0);

/**
 * A connection with filters before its terminal one. The terminal filter gets it when all of them have let it begin;
 * bytes then go through those that look at bytes.
 */
export class FilteredConnection implements ConnectionHandler {
  readonly #downstream: DownstreamConnection;
  readonly #filters: readonly NetworkFilter[];
  readonly #factory: TerminalFilterFactory;
  readonly #bufferLimit: number;
  readonly #readsData: boolean;
  #terminal: ConnectionHandler | undefined;
  /** Filters before this one have let the connection begin. */
  #begun = 0;
  /** The filter that said "stop"; -1 = none. */
  #stopped = -1;
  /** Bytes that did not get to the terminal filter yet. */
  #held: Buffer = NO_BYTES;
  #ended = false;
  #paused = false;
  #closed = false;

  constructor(
    downstream: DownstreamConnection,
    factories: readonly PassingFilterFactory[],
    factory: TerminalFilterFactory,
    bufferLimit: number,
  ) {
    this.#downstream = downstream;
    this.#factory = factory;
    this.#bufferLimit = bufferLimit;
    const filters: NetworkFilter[] = [];
    for (const each of factories) {
      const filter = each.attach(this.#callbacks(filters.length));
      if (filter !== undefined) filters.push(filter);
    }
    this.#filters = filters;
    this.#readsData = filters.some((filter) => filter.onData !== undefined);
  }

  /** Returns who handles the connection: the terminal filter at once where no other filter needs to hear more. */
  begin(): ConnectionHandler {
    this.#goOn(0);
    const direct = !this.#readsData && this.#filters.every((filter) => filter.onClose === undefined);
    return direct && this.#terminal !== undefined ? this.#terminal : this;
  }

  onConnect(): void {
    // Accepted connections stand already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#closed) return;
    if (!this.#readsData && this.#terminal !== undefined && this.#held.length === 0)
      return this.#terminal.onBytes(bytes, start, end);
    const fresh = bytes.subarray(start, end);
    if (this.#held.length === 0 && this.#stopped < 0) return this.#pass(0, fresh);
    this.#hold(this.#held.length === 0 ? Buffer.from(fresh) : Buffer.concat([this.#held, fresh]));
    // A filter that waits for more bytes sees them; one that stopped at the beginning does not.
    const again = this.#stopped;
    if (again >= 0 && this.#begun > again) this.#pass(again, this.#held);
  }

  onEnd(): void {
    if (this.#closed) return;
    this.#ended = true;
    if (this.#stopped < 0) return this.#pass(0, this.#held);
    if (this.#begun > this.#stopped) this.#pass(this.#stopped, this.#held);
  }

  onDrain(): void {
    this.#terminal?.onDrain();
  }

  onClose(error: string): void {
    this.#closed = true;
    if (this.#terminal === undefined) this.#factory.refused?.(this.#downstream);
    else this.#terminal.onClose(error);
    for (const filter of this.#filters) filter.onClose?.();
    this.#held = NO_BYTES;
  }

  #callbacks(index: number): NetworkFilterCallbacks {
    return {
      downstream: this.#downstream,
      continueReading: () => {
        if (this.#stopped !== index || this.#closed) return;
        this.#stopped = -1;
        if (this.#begun === index) this.#goOn(index + 1);
        else this.#pass(index + 1, this.#held);
      },
      close: (details) => {
        if (this.#closed) return;
        this.#closed = true;
        this.#downstream.record.connectionTerminationDetails = details;
        this.#downstream.connection.discard();
      },
    };
  }

  /** Lets filters from `index` on begin, and then the terminal one. */
  #goOn(index: number): void {
    for (this.#begun = index; this.#begun < this.#filters.length; this.#begun++) {
      const verdict = this.#filters[this.#begun]!.onNewConnection?.() ?? "continue";
      if (this.#closed) return;
      if (verdict === "stop") {
        this.#stopped = this.#begun;
        return;
      }
    }
    this.#terminal = this.#factory.accept(this.#downstream);
    if (this.#held.length > 0 || this.#ended) this.#pass(0, this.#held);
  }

  /** Shows bytes to filters from `index` on, and then to the terminal one. */
  #pass(index: number, bytes: Buffer): void {
    for (let i = index; i < this.#filters.length; i++) {
      const verdict: NetworkVerdict = this.#filters[i]!.onData?.(bytes, this.#ended) ?? "continue";
      if (this.#closed) return;
      if (verdict === "continue") continue;
      this.#stopped = i;
      if (bytes !== this.#held) this.#hold(Buffer.from(bytes));
      return;
    }
    this.#stopped = -1;
    this.#hold(NO_BYTES);
    if (bytes.length > 0) this.#terminal!.onBytes(bytes, 0, bytes.length);
    if (this.#ended && !this.#closed) this.#terminal!.onEnd();
  }

  #hold(bytes: Buffer): void {
    this.#held = bytes;
    const full = bytes.length >= this.#bufferLimit;
    if (full === this.#paused) return;
    this.#paused = full;
    const { connection } = this.#downstream;
    if (full) connection.pauseReading();
    else connection.resumeReading();
  }
}
