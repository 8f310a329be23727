import type { HeaderMap } from "../../http/header-map.ts";
import type { HttpFilter, Verdict } from "../api.ts";
import { Gate } from "./gate.ts";

type Answer = Verdict | Promise<Verdict>;
const EMPTY = Buffer.alloc(0);

/** What a pipeline needs of its stream. */
export interface PipelineOwner {
  /** The filters of this request, in the order of the configuration. */
  readonly filters: readonly (HttpFilter | undefined)[];
  readonly bufferLimit: number;
  onFilterError(index: number, error: unknown): void;
}

/**
 * One direction of a stream's way through its filters. Each filter is a gate: what a filter stopped waits there, later
 * parts queue up behind, and `proceed` lets them go. Everything is synchronous unless a hook returns a promise.
 */
export abstract class Pipeline {
  protected readonly owner: PipelineOwner;
  readonly gates: Gate[] = [];
  readonly #step: 1 | -1;
  /** Changes when this direction is cut short (local reply, end): loops that are still on the stack then stop. */
  #epoch = 0;
  #headers: HeaderMap | undefined;

  constructor(owner: PipelineOwner, count: number, step: 1 | -1) {
    this.owner = owner;
    this.#step = step;
    for (let i = 0; i < count; i++) this.gates.push(new Gate());
  }

  protected abstract askHeaders(filter: HttpFilter, headers: HeaderMap, end: boolean): Answer;
  protected abstract askData(filter: HttpFilter, chunk: Buffer, end: boolean): Answer;
  protected abstract askTrailers(filter: HttpFilter, trailers: HeaderMap): Answer;
  /** What comes out behind the last gate. */
  protected abstract emitHeaders(headers: HeaderMap, end: boolean): void;
  protected abstract emitData(chunk: Buffer, end: boolean): void;
  protected abstract emitTrailers(trailers: HeaderMap): void;
  protected abstract pauseSender(): void;
  protected abstract resumeSender(): void;
  /** More was kept for a filter that said "stop" than the limit allows. */
  protected abstract overflow(): void;

  /** Forgets everything; nothing that is still on the stack or waiting goes on. */
  cancel(): void {
    this.#epoch++;
    if (this.gates.length === 0) return;
    this.#headers = undefined;
    for (let i = 0; i < this.gates.length; i++) this.gates[i]!.reset();
  }

  sendHeaders(from: number, headers: HeaderMap, end: boolean): void {
    if (this.gates.length === 0) return this.emitHeaders(headers, end);
    this.#headers = headers;
    const filters = this.owner.filters;
    const epoch = this.#epoch;
    for (let i = from; i >= 0 && i < this.gates.length; i += this.#step) {
      const filter = filters[i];
      if (filter === undefined) continue;
      const gate = this.gates[i]!;
      gate.inHook = true;
      let answer: Answer;
      try {
        answer = this.askHeaders(filter, headers, end);
      } catch (error) {
        gate.inHook = false;
        if (epoch === this.#epoch) this.owner.onFilterError(i, error);
        return;
      }
      gate.inHook = false;
      const early = this.#wentOn(gate);
      if (epoch !== this.#epoch) return;
      if (early || answer === "continue") continue;
      gate.headersHeld = true;
      gate.headersEnd = end;
      this.#stop(i, gate, answer);
      return;
    }
    this.emitHeaders(headers, end);
  }

  sendData(from: number, chunk: Buffer, end: boolean): void {
    const filters = this.owner.filters;
    const epoch = this.#epoch;
    for (let i = from; i >= 0 && i < this.gates.length; i += this.#step) {
      const gate = this.gates[i]!;
      const filter = filters[i];
      if (filter === undefined) continue;
      if (gate.waiting) return this.#keep(gate, chunk, end, false);
      gate.inHook = true;
      let answer: Answer;
      try {
        answer = this.askData(filter, chunk, end);
      } catch (error) {
        gate.inHook = false;
        if (epoch === this.#epoch) this.owner.onFilterError(i, error);
        return;
      }
      gate.inHook = false;
      const early = this.#wentOn(gate);
      if (epoch !== this.#epoch) return;
      if (gate.replacement !== undefined) {
        chunk = gate.replacement;
        gate.replacement = undefined;
        if (chunk.length === 0 && !end && !gate.stopped && answer === "continue") return;
      }
      if (early || answer === "continue") {
        if (!gate.stopped) continue;
        // Headers were stopped here and the filter has now seen enough.
        if (!early && !this.hasDataHook(filter)) return this.#keep(gate, chunk, end, true);
        gate.keep(chunk, end, true);
        return this.proceed(i);
      }
      this.#stop(i, gate, answer);
      return this.#keep(gate, chunk, end, true);
    }
    this.emitData(chunk, end);
  }

  sendTrailers(from: number, trailers: HeaderMap): void {
    const filters = this.owner.filters;
    const epoch = this.#epoch;
    for (let i = from; i >= 0 && i < this.gates.length; i += this.#step) {
      const gate = this.gates[i]!;
      const filter = filters[i];
      if (filter === undefined) continue;
      if (gate.waiting) {
        gate.trailers = trailers;
        return;
      }
      gate.inHook = true;
      let answer: Answer;
      try {
        answer = this.askTrailers(filter, trailers);
      } catch (error) {
        gate.inHook = false;
        if (epoch === this.#epoch) this.owner.onFilterError(i, error);
        return;
      }
      gate.inHook = false;
      const early = this.#wentOn(gate);
      if (epoch !== this.#epoch) return;
      if (gate.replacement !== undefined) {
        const last = gate.replacement;
        gate.replacement = undefined;
        if (!gate.stopped) return this.sendData(i + this.#step, last, true);
        gate.keep(last, true, true);
        return this.proceed(i);
      }
      if (early || answer === "continue") {
        if (!gate.stopped) continue;
        gate.trailers = trailers;
        gate.trailersSeen = true;
        if (!early && !this.hasTrailersHook(filter)) return;
        return this.proceed(i);
      }
      this.#stop(i, gate, answer);
      gate.trailers = trailers;
      gate.trailersSeen = true;
      return;
    }
    this.emitTrailers(trailers);
  }

  /** Body that a filter has seen and stopped, as one buffer. */
  buffered(index: number): Buffer {
    const { seen } = this.gates[index]!;
    return seen.length === 1 ? seen[0]! : Buffer.concat(seen);
  }

  /** The same, and the filter keeps it no longer. */
  takeBuffered(index: number): Buffer {
    const gate = this.gates[index]!;
    return gate.seen.length === 0 ? EMPTY : gate.take(gate.seen);
  }

  /** In a hook: body that goes on in place of the chunk, or at the end of the message in place of the trailers. */
  replace(index: number, bytes: Buffer): void {
    this.gates[index]!.replacement = bytes;
  }

  /** Lets what waits at a filter go on. */
  proceed(index: number): void {
    const gate = this.gates[index]!;
    if (!gate.stopped) {
      if (gate.inHook) gate.continuedEarly = true;
      return;
    }
    const epoch = this.#epoch;
    const next = index + this.#step;
    gate.stopped = gate.waiting = false;
    const hasBody = gate.seen.length > 0 || gate.unseen.length > 0;
    if (gate.headersHeld) {
      gate.headersHeld = false;
      this.sendHeaders(next, this.#headers!, gate.headersEnd && !hasBody && gate.trailers === undefined);
      if (epoch !== this.#epoch) return;
    }
    const end = gate.end;
    if (gate.seen.length > 0 || (end && gate.unseen.length === 0)) {
      const last = gate.unseen.length === 0 && end;
      this.sendData(next, gate.seen.length === 0 ? EMPTY : gate.take(gate.seen), last);
      if (epoch !== this.#epoch) return;
    }
    gate.end = false;
    if (gate.unseen.length > 0) {
      this.sendData(index, gate.take(gate.unseen), end);
      if (epoch !== this.#epoch) return;
    }
    const trailers = gate.trailers;
    if (trailers !== undefined && !gate.stopped) {
      gate.trailers = undefined;
      this.sendTrailers(gate.trailersSeen ? next : index, trailers);
      if (epoch !== this.#epoch) return;
    }
    if (gate.paused && !gate.stopped) {
      gate.paused = false;
      this.resumeSender();
    }
  }

  protected abstract hasDataHook(filter: HttpFilter): boolean;
  protected abstract hasTrailersHook(filter: HttpFilter): boolean;

  #wentOn(gate: Gate): boolean {
    const early = gate.continuedEarly;
    gate.continuedEarly = false;
    return early;
  }

  #stop(index: number, gate: Gate, answer: Answer): void {
    if (typeof answer === "string") {
      gate.stop(answer === "watermark");
      return;
    }
    gate.stop(true);
    gate.waiting = true;
    const epoch = this.#epoch;
    answer.then(
      (verdict) => {
        if (epoch === this.#epoch) this.#settle(index, verdict);
      },
      (error: unknown) => {
        if (epoch === this.#epoch) this.owner.onFilterError(index, error);
      },
    );
  }

  #settle(index: number, verdict: Verdict): void {
    const gate = this.gates[index]!;
    if (!gate.waiting) return;
    if (verdict === "continue") return this.proceed(index);
    gate.waiting = false;
    gate.watermark = verdict === "watermark";
    const end = gate.end;
    if (gate.unseen.length > 0 || (end && gate.seen.length === 0)) {
      gate.end = false;
      this.sendData(index, gate.unseen.length === 0 ? EMPTY : gate.take(gate.unseen), end);
    }
  }

  #keep(gate: Gate, chunk: Buffer, end: boolean, seen: boolean): void {
    gate.keep(chunk, end, seen);
    if (gate.size <= this.owner.bufferLimit) return;
    if (!gate.watermark) return this.overflow();
    if (gate.paused) return;
    gate.paused = true;
    this.pauseSender();
  }
}
