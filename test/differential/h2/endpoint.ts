import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ACK, END_STREAM, frame, settings } from "../../../src/testing/h2-frames.ts";
import { H2Reader, type ReceivedFrame } from "../../../src/testing/h2-reader.ts";
import type { ConnectionFate } from "../../../src/testing/tcp-client.ts";
import { encodeAction } from "./encode-action.ts";
import type { H2Action } from "./schema.ts";

const WAIT_MS = 4000;

/** One end of an HTTP/2 connection that does what a script says. Of its own it acknowledges SETTINGS and answers PINGs. */
export class H2Endpoint {
  readonly frames: ReceivedFrame[] = [];
  /** Called when the peer has opened a stream. */
  onStream: (id: number) => void = () => {};
  #fate: ConnectionFate = "open";
  /** Stream opened by us last. */
  #last = -1;
  #lastByteAt = performance.now();
  readonly #socket: Socket;
  readonly #reader = new H2Reader();
  readonly #pong: boolean;
  readonly #wakes = new Set<() => void>();

  constructor(socket: Socket, pong = true) {
    this.#socket = socket;
    this.#pong = pong;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("end", () => this.#finish("eof"));
    socket.on("error", () => this.#finish("reset"));
    socket.on("close", () => this.#wake());
  }

  get fate(): ConnectionFate {
    return this.#fate;
  }

  get ended(): boolean {
    return this.#fate !== "open" || this.#socket.destroyed;
  }

  /** Milliseconds since the last byte came. */
  get quietFor(): number {
    return performance.now() - this.#lastByteAt;
  }

  /** Streams on which the peer's message has come to its end, or that it has reset. */
  get finishedStreams(): number {
    const ids = this.frames
      .filter((each) => each.type === "RST_STREAM" || endsStream(each))
      .map(({ id }) => id);
    return new Set(ids).size;
  }

  send(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Does one action on a stream (by default the one opened last) after waiting for what it waits for. */
  async play(action: H2Action, scheme: string, stream?: number): Promise<void> {
    for (let i = 0; i < action.times; i++) {
      if (action.get !== undefined || action.request !== undefined || action.open !== undefined)
        this.#last += 2;
      const id = action.stream ?? stream ?? Math.max(1, this.#last);
      if (action.expect !== undefined || action.match !== undefined) await this.#await(action, id);
      const bytes = encodeAction(action, id, scheme);
      if (bytes.length > 0) this.send(bytes);
    }
    if (action.pause !== undefined) await sleep(action.pause);
    if (action.close !== undefined) this.end(action.close);
  }

  end(how: "close" | "reset" | "half"): void {
    if (how === "half") this.#socket.end();
    else if (how === "reset") this.#socket.resetAndDestroy();
    else this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Waits until `done` holds; false when the time is over first. */
  async waitFor(done: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!done()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#wakes.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, Math.min(left, 25));
        this.#wakes.add(wake);
      });
    }
    return true;
  }

  async #await({ expect, match }: H2Action, id: number): Promise<void> {
    const own = (): ReceivedFrame[] => this.frames.filter((each) => each.id === id);
    const there = (): boolean => {
      if (match !== undefined) return new RegExp(match, "s").test(dataOf(own()));
      return own().some(expect === "head" ? ({ type }) => type === "HEADERS" : endsStream);
    };
    await this.waitFor(() => this.ended || there(), WAIT_MS);
  }

  #receive(bytes: Buffer): void {
    this.#lastByteAt = performance.now();
    for (const received of this.#reader.feed(bytes)) {
      const { type, flags, id, payload } = received;
      const isNew = type === "HEADERS" && this.frames.every((each) => each.id !== id);
      this.frames.push(received);
      if (type === "SETTINGS" && flags === 0) this.send(frame("SETTINGS", ACK, 0));
      else if (type === "PING" && flags === 0 && this.#pong) this.send(frame("PING", ACK, 0, payload));
      if (isNew) this.onStream(id);
    }
    this.#wake();
  }

  #finish(fate: ConnectionFate): void {
    if (this.#fate === "open") this.#fate = fate;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
  }
}

/** The settings frame of a script's own settings. */
export function settingsFrame(pairs: Record<string, number>): Buffer {
  return settings(pairs as Record<number, number>);
}

function endsStream({ type, flags }: ReceivedFrame): boolean {
  return (type === "DATA" || type === "HEADERS") && (flags & END_STREAM) !== 0;
}

function dataOf(frames: readonly ReceivedFrame[]): string {
  const data = frames.filter(({ type }) => type === "DATA").map(({ payload }) => payload.toString("latin1"));
  return data.join("");
}
