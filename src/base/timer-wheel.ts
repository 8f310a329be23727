import { systemClock, type Clock } from "./clock.ts";

/** What a timer calls. `kind` tells an owner with several timers which one fired. */
export interface TimerOwner {
  onTimer(kind: number): void;
}

/**
 * A timer that can be armed, moved and disarmed without allocating. One belongs to one owner for its whole life.
 * Fires at its deadline or up to one tick later, never earlier.
 */
export class Timer {
  readonly owner: TimerOwner;
  readonly kind: number;
  /** Monotonic milliseconds of the clock; meaningful while armed. */
  deadline = 0;
  slot = -1;
  next: Timer | null = null;
  previous: Timer | null = null;

  constructor(owner: TimerOwner, kind = 0) {
    this.owner = owner;
    this.kind = kind;
  }

  get armed(): boolean {
    return this.slot >= 0;
  }
}

const SLOTS = 1024;
const MASK = SLOTS - 1;

/**
 * Shared coarse timers of one thread: a hashed wheel of 1,024 slots. Arming and disarming are O(1). Moving a deadline
 * later does not relink the timer: it is put back when its old slot comes round. The wheel sleeps until the next
 * occupied slot, so an idle thread is not woken at every tick.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #heads: (Timer | null)[] = new Array<Timer | null>(SLOTS).fill(null);
  #count = 0;
  #tick = 0;
  #wakeTick = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | undefined;
  readonly #onWake = (): void => this.#wake();

  /** @param tickMs resolution in milliseconds */
  constructor(clock: Clock = systemClock, tickMs = 5) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#tick = this.#tickOf(clock.now());
  }

  /** Number of armed timers. */
  get size(): number {
    return this.#count;
  }

  /** Arms `timer` to fire in `ms`, or moves its deadline if it is armed. */
  arm(timer: Timer, ms: number): void {
    const deadline = this.#clock.now() + ms;
    if (timer.slot >= 0) {
      if (deadline >= timer.deadline) {
        timer.deadline = deadline;
        return;
      }
      this.#unlink(timer);
    }
    timer.deadline = deadline;
    this.#link(timer);
  }

  disarm(timer: Timer): void {
    if (timer.slot >= 0) this.#unlink(timer);
  }

  #tickOf(ms: number): number {
    return Math.floor(ms / this.#tickMs);
  }

  #link(timer: Timer): void {
    if (this.#count === 0) this.#tick = this.#tickOf(this.#clock.now());
    const tick = Math.max(this.#tickOf(timer.deadline), this.#tick) + 1;
    const slot = tick & MASK;
    const head = this.#heads[slot]!;
    timer.slot = slot;
    timer.next = head;
    timer.previous = null;
    if (head) head.previous = timer;
    this.#heads[slot] = timer;
    this.#count++;
    if (tick < this.#wakeTick) this.#sleepUntil(Math.min(tick, this.#tick + SLOTS));
  }

  #unlink(timer: Timer): void {
    if (timer.previous) timer.previous.next = timer.next;
    else this.#heads[timer.slot] = timer.next;
    if (timer.next) timer.next.previous = timer.previous;
    timer.next = timer.previous = null;
    timer.slot = -1;
    this.#count--;
  }

  #sleepUntil(tick: number): void {
    this.#cancelWake?.();
    this.#wakeTick = tick;
    this.#cancelWake = this.#clock.after(Math.max(0, tick * this.#tickMs - this.#clock.now()), this.#onWake);
  }

  #wake(): void {
    this.#wakeTick = Number.POSITIVE_INFINITY;
    this.#cancelWake = undefined;
    const now = this.#clock.now();
    const last = this.#tickOf(now);
    const from = Math.max(this.#tick + 1, last - SLOTS + 1);
    this.#tick = Math.max(this.#tick, last);
    for (let tick = from; tick <= last; tick++) this.#fire(tick & MASK, now);
    if (this.#count > 0) this.#sleepUntilNext();
  }

  #fire(slot: number, now: number): void {
    let timer = this.#heads[slot]!;
    // Detach the list first: callbacks may arm, disarm and relink timers of this very slot.
    const due: Timer[] = [];
    while (timer) {
      const next = timer.next;
      if (timer.deadline <= now) due.push(timer);
      else if (((this.#tickOf(timer.deadline) + 1) & MASK) !== slot) {
        this.#unlink(timer);
        this.#link(timer);
      }
      timer = next!;
    }
    for (const each of due) {
      if (each.slot !== slot || each.deadline > now) continue;
      this.#unlink(each);
      each.owner.onTimer(each.kind);
    }
  }

  #sleepUntilNext(): void {
    for (let step = 1; step <= SLOTS; step++) {
      if (this.#heads[(this.#tick + step) & MASK] === null) continue;
      const tick = this.#tick + step;
      if (tick < this.#wakeTick) this.#sleepUntil(tick);
      return;
    }
  }
}
