import type { Clock } from "../../base/clock.ts";
import { Timer, type TimerOwner, type TimerWheel } from "../../base/timer-wheel.ts";
import { writePing } from "./frame/control.ts";
import type { H2Connection } from "./connection.ts";
import type { KeepaliveOptions } from "./options.ts";

const SEND = 0;
const GIVE_UP = 1;
/** Marks our PINGs (first half of the payload). */
const MARK = 0x77656674;

/** PINGs a peer now and then, and tells when it does not answer (`connection_keepalive`). */
export class Keepalive implements TimerOwner {
  readonly #connection: H2Connection;
  readonly #options: KeepaliveOptions;
  readonly #wheel: TimerWheel;
  readonly #onDead: () => void;
  readonly #sendTimer = new Timer(this, SEND);
  readonly #giveUpTimer = new Timer(this, GIVE_UP);
  #count = 0;
  #heardAt: number;
  readonly #clock: Clock;

  constructor(
    connection: H2Connection,
    options: KeepaliveOptions,
    wheel: TimerWheel,
    clock: Clock,
    onDead: () => void,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#wheel = wheel;
    this.#clock = clock;
    this.#onDead = onDead;
    this.#heardAt = clock.now();
    this.#schedule();
  }

  onTimer(kind: number): void {
    if (kind === GIVE_UP) this.#onDead();
    else this.#ping();
  }

  /** Bytes have come. */
  heard(): void {
    if (this.#options.idleInterval > 0) this.#heardAt = this.#clock.now();
  }

  /** A stream is about to be opened. */
  onNewStream(): void {
    const { idleInterval } = this.#options;
    if (idleInterval > 0 && this.#clock.now() - this.#heardAt > idleInterval && !this.#giveUpTimer.armed)
      this.#ping();
  }

  onPingAck(bytes: Buffer, start: number): void {
    if (bytes.readUInt32BE(start) !== MARK || bytes.readUInt32BE(start + 4) !== this.#count) return;
    this.#wheel.disarm(this.#giveUpTimer);
    this.#schedule();
  }

  stop(): void {
    this.#wheel.disarm(this.#sendTimer);
    this.#wheel.disarm(this.#giveUpTimer);
  }

  #schedule(): void {
    const { interval, jitterPercent } = this.#options;
    if (interval > 0)
      this.#wheel.arm(this.#sendTimer, interval * (1 + (Math.random() * jitterPercent) / 100));
  }

  #ping(): void {
    const connection = this.#connection;
    connection.enter();
    writePing(connection.writer, MARK, ++this.#count);
    connection.leave();
    this.#wheel.arm(this.#giveUpTimer, this.#options.timeout);
  }
}
