import { z } from "zod";
import { HttpError, type HttpClient } from "../../../base/http-client.ts";

/** What a list and the watch after it say. */
export interface KubeHandler {
  /** Everything there is. */
  onList(objects: readonly unknown[]): void;
  onPut(object: unknown): void;
  onDelete(object: unknown): void;
  /** Something arrived, or nothing did for a while and the watch stands: a reading can be made. */
  onCurrent(): void;
}

const PAGE = 500;
/** A silent watch is begun anew this often, where it was: a dead connection would say nothing. */
const QUIET_MS = 30_000;

const listSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().nullish() }),
  items: z.array(z.unknown()).nullable(),
});
const eventSchema = z.object({
  type: z.enum(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]),
  object: z.looseObject({
    metadata: z.looseObject({ resourceVersion: z.string().optional() }).optional(),
    code: z.number().optional(),
    message: z.string().optional(),
  }),
});

/** Lists and watches one collection of a cluster; remembers where it was, so that a new watch resumes. */
export class KubeWatch {
  readonly #path: string;
  readonly #query: Record<string, string>;
  readonly #handler: KubeHandler;
  readonly #timeoutMs: number;
  #version = "";

  constructor(path: string, selector: string, timeoutMs: number, handler: KubeHandler) {
    this.#path = path;
    this.#query = selector === "" ? {} : { labelSelector: selector };
    this.#timeoutMs = timeoutMs;
    this.#handler = handler;
  }

  /** Goes on until the signal ends it. Throws an Error when the server cannot be read. */
  async run(client: HttpClient, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#version === "") {
        await this.#list(client, signal);
        this.#handler.onCurrent();
      }
      try {
        await this.#watch(client, signal);
      } catch (error) {
        // Where we were is forgotten there (HTTP 410, "Gone").
        if (!(error instanceof HttpError && error.status === 410)) throw error;
        this.#version = "";
      }
    }
  }

  async #list(client: HttpClient, signal: AbortSignal): Promise<void> {
    const objects: unknown[] = [];
    let page = "";
    do {
      const query = { ...this.#query, limit: String(PAGE), ...(page !== "" && { continue: page }) };
      const answer = await client.json(`${this.#path}?${new URLSearchParams(query).toString()}`, {
        signal,
        timeoutMs: this.#timeoutMs,
      });
      const parsed = listSchema.safeParse(answer);
      if (!parsed.success) throw new Error(`the answer to ${this.#path} is not a list of Kubernetes`);
      objects.push(...(parsed.data.items ?? []));
      page = parsed.data.metadata.continue ?? "";
      // The pages are those of one moment, whose version they all have.
      if (page === "") {
        this.#handler.onList(objects);
        this.#version = parsed.data.metadata.resourceVersion;
      }
    } while (page !== "");
  }

  async #watch(client: HttpClient, signal: AbortSignal): Promise<void> {
    const query = {
      ...this.#query,
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: this.#version,
      timeoutSeconds: "290",
    };
    let last = performance.now();
    try {
      for await (const line of client.lines(`${this.#path}?${new URLSearchParams(query).toString()}`, {
        signal,
        timeoutMs: QUIET_MS,
        // One that was resumed may have nothing new to tell for long.
        onOpen: () => this.#handler.onCurrent(),
      })) {
        last = performance.now();
        this.#take(line);
      }
      // The server ends watches now and then; one that ends at once would make us ask without a pause.
      if (performance.now() - last < 1 && !signal.aborted) await new Promise((wake) => setTimeout(wake, 100));
    } catch (error) {
      const quiet = performance.now() - last >= QUIET_MS * 0.9;
      if (!quiet || signal.aborted) throw error;
      // Silence is what a watch without events looks like; whether the server answers is told by the next one.
      await client.json(`${this.#path}?limit=1`, { signal, timeoutMs: this.#timeoutMs });
    }
  }

  #take(line: string): void {
    const parsed = eventSchema.safeParse(jsonOf(line));
    if (!parsed.success)
      throw new Error(`the watch of ${this.#path} says ${JSON.stringify(line.slice(0, 200))}`);
    const { type, object } = parsed.data;
    if (type === "ERROR") throw new HttpError(object.code ?? 500, object.message ?? "the watch failed");
    if (type === "ADDED" || type === "MODIFIED") this.#handler.onPut(object);
    if (type === "DELETED") this.#handler.onDelete(object);
    const version = object.metadata?.resourceVersion;
    if (version !== undefined) this.#version = version;
    this.#handler.onCurrent();
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
