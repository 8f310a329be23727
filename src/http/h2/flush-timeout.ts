import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import type { H2Connection } from "./connection.ts";
import type { H2Stream } from "./h2-stream.ts";

/** Ends a stream whose message is complete but for windows that its peer does not open (Envoy's tx_flush_timeout). */
export class FlushTimeout implements TimerOwner {
  readonly timer: Timer = new Timer(this);
  readonly #connection: H2Connection;
  readonly #stream: H2Stream;

  constructor(connection: H2Connection, stream: H2Stream) {
    this.#connection = connection;
    this.#stream = stream;
  }

  onTimer(): void {
    if (this.#stream.over) return;
    this.#connection.stats.tx_flush_timeout.inc();
    this.#connection.sendReset(this.#stream, "local-reset");
  }
}
