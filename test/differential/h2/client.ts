import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PREFACE } from "../../../src/testing/h2-frames.ts";
import type { Step } from "../case.ts";
import { H2Endpoint, settingsFrame } from "./endpoint.ts";
import { transcriptOf, type H2Transcript } from "./transcript.ts";

const RESPONSE_TIMEOUT_MS = 4000;
const QUIET_MS = 120;
const CLOSE_TIMEOUT_MS = 3000;

/** A client's HTTP/2 connection of a case. */
export class H2Client {
  readonly #endpoint: H2Endpoint;
  readonly #scheme: string;
  #begun = false;
  /** Streams that are to finish. */
  #expected = 0;

  constructor(socket: Socket, scheme: string, pong: boolean) {
    this.#endpoint = new H2Endpoint(socket, pong);
    this.#scheme = scheme;
  }

  /** "open" or "ended": whether by FIN or RST depends on what was still to be read, which chance decides. */
  get fate(): string {
    return this.#endpoint.fate === "open" ? "open" : "ended";
  }

  get transcript(): H2Transcript {
    return transcriptOf(this.#endpoint.frames);
  }

  /** Does the actions of a step and waits as it says: by default until every request it has made is answered. */
  async play(step: Step, notes: string[]): Promise<void> {
    const actions = step.h2 ?? [];
    this.#begin(actions[0]);
    for (const action of actions) {
      await this.#endpoint.play(action, this.#scheme);
      const opens = action.get !== undefined || action.request !== undefined || action.open !== undefined;
      if (opens && step.read === undefined) this.#expected += action.times;
    }
    if (step.pause !== undefined) await sleep(step.pause);
    if (step.half_close === true) this.#endpoint.end("half");
    if (typeof step.read === "number") this.#expected += step.read;
    if (!(await this.#read(step.read))) notes.push(`timed out: connection ${step.conn} waits`);
    if (step.close === true) this.#endpoint.end("close");
    if (step.reset === true) this.#endpoint.end("reset");
  }

  /** Waits for what comes after the last answer. */
  async settle(expectedFate: string): Promise<void> {
    const { goaways } = this.transcript;
    const closes = expectedFate !== "open" || goaways.some((line) => !line.startsWith("GOAWAY NO_ERROR"));
    await this.#endpoint.waitFor(() => this.#endpoint.ended, closes ? CLOSE_TIMEOUT_MS : QUIET_MS);
  }

  close(): void {
    this.#endpoint.destroy();
  }

  #begin(first: NonNullable<Step["h2"]>[number] | undefined): void {
    if (this.#begun) return;
    this.#begun = true;
    if (first?.bytes !== undefined) return;
    this.#endpoint.send(PREFACE);
    if (first?.settings === undefined) this.#endpoint.send(settingsFrame({}));
  }

  #read(read: Step["read"]): Promise<boolean> {
    const endpoint = this.#endpoint;
    if (read === "eof") return endpoint.waitFor(() => endpoint.ended, RESPONSE_TIMEOUT_MS);
    if (read === "quiet") return endpoint.waitFor(() => endpoint.quietFor > QUIET_MS, RESPONSE_TIMEOUT_MS);
    const done = (): boolean => endpoint.ended || endpoint.finishedStreams >= this.#expected;
    return endpoint.waitFor(done, RESPONSE_TIMEOUT_MS);
  }
}
