import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describeError } from "../../base/describe-error.ts";
import { directoryChanges } from "../directory-changes.ts";
import type { Reading, ServiceReading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { parseDocument } from "./shared/document.ts";

/**
 * A directory of YAML or JSON files, or one file. Replace files by rename, so that no half-written one is read; a file that cannot
 * be read makes the whole reading an error, and what was known stays.
 */
export const fileSource = defineSource({
  name: "file",
  description: "a directory of YAML and JSON files, or one of them",
  options: {
    path: {
      kind: "path",
      required: true,
      description: "directory of .yaml, .yml and .json files, or a file",
    },
  },
  async *watch(options, { signal, log }) {
    const single = (await stat(options.path).catch(() => undefined))?.isFile() === true;
    const directory = single ? dirname(options.path) : options.path;
    let last = "";
    for await (const _ of directoryChanges(directory, signal)) {
      const reading = await readFiles(directory, single ? [basename(options.path)] : undefined);
      const failed = reading.kind === "error";
      const shown = failed ? reading.error : JSON.stringify([...reading.services]);
      if (failed && shown !== last) log.warn(`${reading.error}; keeping what is known`);
      last = shown;
      yield reading;
    }
  },
});

/** Reads the files that are named, or all of the directory. */
async function readFiles(directory: string, named: readonly string[] | undefined): Promise<Reading> {
  try {
    const names =
      named ?? (await readdir(directory)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
    const services = new Map<string, ServiceReading>();
    const owners = new Map<string, string>();
    for (const name of names) {
      const file = join(directory, name);
      for (const [service, reading] of parseDocument(await readFile(file, "utf8"), file)) {
        const owner = owners.get(service);
        if (owner !== undefined)
          throw new Error(`Cannot load "${file}": service "${service}" is already in "${owner}"`);
        owners.set(service, file);
        services.set(service, reading);
      }
    }
    return { kind: "ok", services };
  } catch (error) {
    return { kind: "error", error: describeError(error) };
  }
}
