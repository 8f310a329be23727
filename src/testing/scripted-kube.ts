import type { ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { ScriptedHttp, type ScriptedAnswer } from "./scripted-http.ts";

interface Stored {
  metadata: { name: string; namespace: string; resourceVersion?: string };
}

interface Watcher {
  readonly namespace: string;
  readonly response: ServerResponse;
}

/** An API server with one collection: paged lists, watches from a version on, bookmarks, and versions that are gone. */
export class ScriptedKube {
  readonly http: ScriptedHttp;
  readonly #objects = new Map<string, Stored>();
  readonly #history: { version: number; type: string; object: Stored }[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 100;
  /** Watches from before this version are refused. */
  oldest = 0;
  /** Objects on a page. */
  page = 500;
  /** What to say in place of the truth. */
  fault: ((url: URL) => ScriptedAnswer | undefined) | undefined;

  static async start(test: TestContext): Promise<ScriptedKube> {
    return new ScriptedKube(await ScriptedHttp.start(test));
  }

  private constructor(http: ScriptedHttp) {
    this.http = http;
    http.answer = (url) => this.fault?.(url) ?? this.#answer(url);
  }

  put(object: object): void {
    const stored = structuredClone(object) as Stored;
    const key = `${stored.metadata.namespace}/${stored.metadata.name}`;
    const type = this.#objects.has(key) ? "MODIFIED" : "ADDED";
    this.#objects.set(key, stored);
    this.#record(type, stored);
  }

  delete(namespace: string, name: string): void {
    const stored = this.#objects.get(`${namespace}/${name}`)!;
    this.#objects.delete(`${namespace}/${name}`);
    this.#record("DELETED", structuredClone(stored));
  }

  /** Tells all watches the newest version, without an event. */
  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    for (const { response } of this.#watchers)
      response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  /** Says that the versions of all watches are gone, as a compacted API server does. */
  expire(): void {
    this.oldest = this.#version + 1;
    const object = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
    for (const { response } of this.#watchers) response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
    this.#watchers.clear();
  }

  /** Ends all watches, as an API server does now and then. */
  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
    this.#watchers.clear();
  }

  #record(type: string, object: Stored): void {
    object.metadata.resourceVersion = String(++this.#version);
    this.#history.push({ version: this.#version, type, object });
    for (const { namespace, response } of this.#watchers)
      if (namespace === "" || namespace === object.metadata.namespace)
        response.write(`${JSON.stringify({ type, object })}\n`);
  }

  #answer(url: URL): ScriptedAnswer {
    const namespace = /\/namespaces\/([^/]+)\//.exec(url.pathname)?.[1] ?? "";
    if (url.searchParams.get("watch") === "1") return this.#watch(url, namespace);
    const all = [...this.#objects.values()].filter(
      (object) => namespace === "" || object.metadata.namespace === namespace,
    );
    const start = Number(url.searchParams.get("continue") ?? 0);
    const more = start + this.page < all.length;
    return {
      metadata: {
        resourceVersion: String(this.#version),
        ...(more && { continue: String(start + this.page) }),
      },
      items: all.slice(start, start + this.page),
    };
  }

  #watch(url: URL, namespace: string): ScriptedAnswer {
    const from = Number(url.searchParams.get("resourceVersion"));
    if (from < this.oldest) return { status: 410, body: { kind: "Status", code: 410, reason: "Gone" } };
    return (_request, response) => {
      response.flushHeaders();
      for (const { version, type, object } of this.#history)
        if (version > from && (namespace === "" || namespace === object.metadata.namespace))
          response.write(`${JSON.stringify({ type, object })}\n`);
      const watcher = { namespace, response };
      this.#watchers.add(watcher);
      response.on("close", () => this.#watchers.delete(watcher));
    };
  }
}
