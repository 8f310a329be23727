import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { replaceFile } from "../../base/replace-file.ts";
import type { SavedCatalog } from "./catalog-store.ts";

interface LastGoodFile {
  readonly format: 1;
  readonly savedAt: string;
  readonly sha256: string;
  readonly catalog: SavedCatalog;
}

const SAVE_DELAY_MS = 200;

/** Keeps the file up to date, soon after each change and one write at a time. */
export class LastGoodKeeper {
  readonly #file: string;
  readonly #read: () => SavedCatalog | undefined;
  readonly #onError: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `read` gives what is to be saved, undefined while it is not worth saving. */
  constructor(file: string, read: () => SavedCatalog | undefined, onError: (error: Error) => void) {
    this.#file = file;
    this.#read = read;
    this.#onError = onError;
  }

  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#write();
    }, SAVE_DELAY_MS);
  }

  /** Saves for the last time. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#write();
    await this.#writing;
  }

  #write(): void {
    this.#writing = this.#writing
      .then(async () => {
        const catalog = this.#read();
        if (catalog !== undefined) await saveLastGood(this.#file, catalog);
      })
      .catch(this.#onError);
  }
}

/** Writes the catalog so that a crash at any moment leaves either the old file or the new one. */
async function saveLastGood(file: string, catalog: SavedCatalog): Promise<void> {
  const content: LastGoodFile = {
    format: 1,
    savedAt: new Date().toISOString(),
    sha256: digest(catalog),
    catalog,
  };
  await replaceFile(file, JSON.stringify(content));
}

/** Reads what was saved. Undefined when there is none; throws when the file is damaged. */
export async function loadLastGood(
  file: string,
): Promise<{ catalog: SavedCatalog; savedAt: string } | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const content = parse(text);
  if (content === undefined) {
    throw new Error(`Cannot load last known good "${file}": it is damaged; remove it to start without`);
  }
  return { catalog: content.catalog, savedAt: content.savedAt };
}

function parse(text: string): LastGoodFile | undefined {
  try {
    const content = JSON.parse(text) as LastGoodFile;
    return content.format === 1 && content.sha256 === digest(content.catalog) ? content : undefined;
  } catch {
    return undefined;
  }
}

function digest(catalog: SavedCatalog): string {
  return createHash("sha256").update(JSON.stringify(catalog)).digest("hex");
}
