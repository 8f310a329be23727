import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import type { WriteTurn } from "./write-turn.ts";

const ORIGIN = performance.timeOrigin;

/** The system's clock, read once per turn of the event loop. */
export class TurnClock implements Clock {
  readonly #turn: WriteTurn;

  constructor(turn: WriteTurn) {
    this.#turn = turn;
  }

  now(): number {
    return this.#turn.time;
  }

  wall(): number {
    return ORIGIN + this.#turn.time;
  }

  after(ms: number, callback: () => void): () => void {
    return systemClock.after(ms, callback);
  }
}
