import { systemClock } from "../../base/clock.ts";
/** Why something that a source knows of is no endpoint. */
export interface SourceNote {
  /** What the source calls it: a pod, a container, a key. */
  readonly subject: string;
  readonly reason: string;
  /** Wall clock, milliseconds. */
  readonly since: number;
}

/** Notes that are kept of one source. */
const MAX_NOTES = 5000;

/** What one source left out and why, for `weft control explain`. */
export class SourceNotes {
  readonly #notes = new Map<string, SourceNote>();

  /** @param reason undefined takes the note back */
  note(subject: string, reason: string | undefined): void {
    const known = this.#notes.get(subject);
    if (reason === undefined) this.#notes.delete(subject);
    else if (known?.reason !== reason)
      this.#notes.set(subject, { subject, reason, since: systemClock.wall() });
    if (this.#notes.size <= MAX_NOTES) return;
    const [oldest] = this.#notes.keys();
    this.#notes.delete(oldest!);
  }

  /** Notes whose subject or reason has the text in it. */
  about(text: string): SourceNote[] {
    return [...this.#notes.values()].filter(
      ({ subject, reason }) => subject.includes(text) || reason.includes(text),
    );
  }
}
