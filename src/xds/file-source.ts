import { readFileSync, watch as watchPath, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../base/clock.ts";
import { LoadError, loadMessage } from "../proto/load.ts";
import { validateMessage, violationProblems } from "../proto/validate.ts";
import { textWithPath } from "../proto/within.ts";
import type { ResourceDecoder, Watch, WatchHandler } from "./source.ts";
import type { XdsType } from "./types.ts";

/** Several renames within this many milliseconds are one change. */
const DEBOUNCE = 20;
/** How often the file is looked at when the system refuses to watch the directory, in milliseconds. */
const POLL = 2000;

export interface FileSourceOptions {
  readonly type: XdsType;
  /** undefined = all resources. */
  readonly name: string | undefined;
  readonly path: string;
  /** Directory whose renames announce a change; the file's own by default. */
  readonly watchedDirectory: string | undefined;
  readonly clock: Clock;
  readonly decode: ResourceDecoder;
}

/**
 * Reads a DiscoveryResponse in YAML or JSON from a file, at once and whenever something was moved into its directory.
 * Writing to the file in place is not noticed, as in Envoy: half-written files must never be read.
 */
export function watchFile(options: FileSourceOptions, handler: WatchHandler): Watch {
  const source = new FileWatch(options, handler);
  source.start();
  return { close: () => source.close() };
}

class FileWatch {
  readonly #options: FileSourceOptions;
  readonly #handler: WatchHandler;
  #watcher: FSWatcher | undefined;
  #cancelTimer: (() => void) | undefined;
  #text: string | undefined;
  #closed = false;

  constructor(options: FileSourceOptions, handler: WatchHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  start(): void {
    this.#watch();
    queueMicrotask(() => this.#load());
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#watcher?.close();
  }

  #watch(): void {
    const { path, watchedDirectory, clock } = this.#options;
    try {
      this.#watcher = watchPath(watchedDirectory ?? dirname(path), { persistent: false }, (event) => {
        if (event !== "rename") return;
        this.#cancelTimer?.();
        this.#cancelTimer = clock.after(DEBOUNCE, () => this.#load());
      });
      this.#watcher.on("error", () => this.#poll());
    } catch {
      this.#poll();
    }
  }

  #poll(): void {
    if (this.#closed) return;
    this.#cancelTimer = this.#options.clock.after(POLL, () => {
      this.#load();
      this.#poll();
    });
  }

  #load(): void {
    if (this.#closed) return;
    const { path, name, type } = this.#options;
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      this.#handler.onAttempt();
      return this.#handler.onFailure("connection", (error as Error).message);
    }
    if (text === this.#text) return;
    this.#text = text;
    this.#handler.onAttempt();
    try {
      const response = parseResponse(text, path);
      const all = this.#options.decode(type, response.resources);
      const own = name === undefined ? all : all.filter((resource) => resource.name === name);
      this.#handler.onResources(own, response.versionInfo);
    } catch (error) {
      const kind = error instanceof UnreadableError ? "unreadable" : "rejected";
      this.#handler.onFailure(kind, textWithPath(error as Error));
    }
  }
}

/** A file that is no YAML or JSON at all. */
class UnreadableError extends LoadError {}

function parseResponse(text: string, file: string) {
  const loaded = loadMessage("envoy.service.discovery.v3.DiscoveryResponse", text, { file });
  if (loaded.partial === undefined) throw new UnreadableError(loaded.problems);
  if (loaded.message === undefined) throw new LoadError(loaded.problems);
  const violations = violationProblems(validateMessage(loaded.message), loaded.source);
  if (violations.length > 0) throw new LoadError(violations);
  return loaded.message;
}
