import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../base/describe-error.ts";
import { replaceFile } from "../../base/replace-file.ts";
import type { SourceLog } from "../catalog/source.ts";
import {
  StoreUnavailable,
  type Revision,
  type RevisionDraft,
  type RevisionStore,
  type RevisionSummary,
} from "./revision-store.ts";

export interface KeptRevisionStoreOptions {
  /** Where the newest revision is kept. */
  readonly file: string;
  /** What the shared store is called in errors. */
  readonly name: string;
  /** Opens the shared store; rejects while it cannot be reached. */
  readonly open: () => Promise<RevisionStore>;
  readonly log: SourceLog;
  /** Pause between attempts to open the shared store, in milliseconds. */
  readonly retryMs?: number;
}

interface KeptFile {
  readonly format: 1;
  readonly sha256: string;
  readonly revision: Revision;
}

const RETRY_MS = 1000;

/**
 * A shared store together with the newest revision that this process knew, kept in a file: with it a control plane starts
 * while the shared store cannot be reached. Then nothing can be changed and no older revision be seen, until it can be.
 */
export class KeptRevisionStore implements RevisionStore {
  readonly #options: KeptRevisionStoreOptions;
  readonly #stopping = new AbortController();
  readonly #opened = Promise.withResolvers<void>();
  #shared: RevisionStore | undefined;
  #trouble = "";
  #cause: unknown;
  #kept: Revision | undefined;
  #writing: Promise<void> = Promise.resolve();
  #opening: Promise<void> = Promise.resolve();

  /** Throws an Error when neither the shared store can be opened nor a revision is kept. */
  static async open(options: KeptRevisionStoreOptions): Promise<KeptRevisionStore> {
    const store = new KeptRevisionStore(options);
    try {
      store.#kept = await load(options.file);
    } catch (error) {
      options.log.warn((error as Error).message);
    }
    try {
      store.#take(await options.open());
    } catch (error) {
      if (store.#kept === undefined) throw error;
      store.#failed(error);
      const { number } = store.#kept;
      options.log.warn(
        `${store.#trouble}; starting with revision ${number}, which "${options.file}" has kept; nothing can be changed until then`,
      );
      store.#opening = store.#keepOpening();
    }
    return store;
  }

  private constructor(options: KeptRevisionStoreOptions) {
    this.#options = options;
  }

  get trouble(): string {
    return this.#shared === undefined ? this.#trouble : this.#shared.trouble;
  }

  /** What is kept, while the shared store cannot be reached. */
  async head(): Promise<Revision | undefined> {
    try {
      const head = await this.#reach().head();
      this.#keep(head);
      return head;
    } catch (error) {
      if (error instanceof StoreUnavailable && this.#kept !== undefined) return this.#kept;
      throw error;
    }
  }

  async get(number: number): Promise<Revision | undefined> {
    return this.#reach().get(number);
  }

  async list(limit: number, before?: number): Promise<readonly RevisionSummary[]> {
    return this.#reach().list(limit, before);
  }

  async append(expected: number, draft: RevisionDraft): Promise<Revision> {
    const revision = await this.#reach().append(expected, draft);
    this.#keep(revision);
    return revision;
  }

  async next(after: number, signal: AbortSignal): Promise<Revision | undefined> {
    if (this.#shared === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const aborted = () => resolve();
      signal.addEventListener("abort", aborted);
      await Promise.race([this.#opened.promise, promise]);
      signal.removeEventListener("abort", aborted);
    }
    const next = signal.aborted ? undefined : await this.#shared?.next(after, signal);
    this.#keep(next);
    return next;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#opened.resolve();
    await this.#opening;
    await this.#shared?.close();
    await this.#writing;
  }

  /** Throws StoreUnavailable while the shared store was never reached. */
  #reach(): RevisionStore {
    if (this.#shared === undefined) throw new StoreUnavailable(this.#options.name, this.#cause);
    return this.#shared;
  }

  #take(shared: RevisionStore): void {
    this.#shared = shared;
    this.#opened.resolve();
  }

  #failed(error: unknown): void {
    this.#trouble = describeError(error);
    this.#cause = error instanceof Error ? (error.cause ?? error) : error;
  }

  async #keepOpening(): Promise<void> {
    const { open, log, name, retryMs = RETRY_MS } = this.#options;
    const { signal } = this.#stopping;
    for (;;) {
      await sleep(retryMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        this.#take(await open());
        log.info(`the history in ${name} can be read again`);
        return;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #keep(revision: Revision | undefined): void {
    if (revision === undefined || revision.number === this.#kept?.number) return;
    this.#kept = revision;
    const { file, log } = this.#options;
    const content: KeptFile = { format: 1, sha256: digest(revision), revision };
    this.#writing = this.#writing
      .then(async () => replaceFile(file, JSON.stringify(content)))
      .catch((error: unknown) => log.warn(`cannot keep the newest revision: ${describeError(error)}`));
  }
}

/** Undefined when there is none; throws an Error when it is damaged. */
async function load(file: string): Promise<Revision | undefined> {
  try {
    const { format, sha256, revision } = JSON.parse(await readFile(file, "utf8")) as KeptFile;
    if (format === 1 && sha256 === digest(revision)) return revision;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw new Error(`Cannot load the kept revision "${file}": it is damaged; going on without`);
}

function digest(revision: Revision): string {
  return createHash("sha256").update(JSON.stringify(revision)).digest("hex");
}
