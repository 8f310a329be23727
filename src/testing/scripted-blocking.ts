import type { TestContext } from "node:test";
import { ScriptedHttp, type ScriptedAnswer } from "./scripted-http.ts";

/**
 * A server with Consul's and Nomad's blocking queries: each path has a content and an index, and a question with that
 * index is answered when there is a newer one.
 */
export class ScriptedBlocking {
  readonly http: ScriptedHttp;
  readonly #header: string;
  readonly #pages = new Map<string, { index: number; body: unknown }>();
  readonly #waiting = new Set<() => void>();
  #index = 10;
  /** What to say in place of the truth. */
  fault: ((path: string) => ScriptedAnswer | undefined) | undefined;

  static async start(test: TestContext, indexHeader: string): Promise<ScriptedBlocking> {
    return new ScriptedBlocking(await ScriptedHttp.start(test), indexHeader);
  }

  private constructor(http: ScriptedHttp, header: string) {
    this.http = http;
    this.#header = header;
    http.answer = (url) => this.#answer(url);
  }

  /** Sets the content of a path, by default at the next index. */
  set(path: string, body: unknown, index = ++this.#index): void {
    this.#index = index;
    this.#pages.set(path, { index, body });
    this.wake();
  }

  /** Answers everybody who waits. */
  wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async #answer(url: URL): Promise<ScriptedAnswer> {
    const asked = Number(url.searchParams.get("index"));
    const fault = this.fault?.(url.pathname);
    if (fault !== undefined) return this.#indexed(fault);
    if (asked > 0 && this.#pages.get(url.pathname)?.index === asked)
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    const page = this.#pages.get(url.pathname) ?? { index: this.#index, body: [] };
    const late = this.fault?.(url.pathname);
    if (late !== undefined) return this.#indexed(late);
    return this.#indexed(JSON.stringify(page.body), page.index);
  }

  /** Even nonsense comes with an index. */
  #indexed(answer: ScriptedAnswer, index = this.#index): ScriptedAnswer {
    return typeof answer === "string"
      ? { status: 200, body: answer, headers: { [this.#header]: String(index) } }
      : answer;
  }
}
