import { readFileSync } from "node:fs";
import type { Messages } from "../../proto/messages.d.ts";

type DataSource = Messages["envoy.config.core.v3.DataSource"];

/** Bytes of configuration and where they came from. */
export interface LoadedData {
  readonly bytes: Buffer;
  /** Path of the file, "<inline>" otherwise. */
  readonly path: string;
}

/** Reads a data source now; undefined when it is not set or empty. Throws an Error when its file cannot be read. */
export function loadData(source: DataSource | undefined): LoadedData | undefined {
  if (source === undefined) return undefined;
  const { specifier } = source;
  switch (specifier.case) {
    case "filename":
      return { bytes: readFile(specifier.value), path: specifier.value };
    case "inlineBytes":
      return nonEmpty(Buffer.from(specifier.value));
    case "inlineString":
      return nonEmpty(Buffer.from(specifier.value));
    case "environmentVariable": {
      const value = process.env[specifier.value];
      if (value === undefined) throw new Error(`Environment variable doesn't exist: ${specifier.value}`);
      return nonEmpty(Buffer.from(value));
    }
    default:
      return undefined;
  }
}

/** Path that a data source reads, if any. */
export function pathOf(source: DataSource | undefined): string | undefined {
  return source?.specifier.case === "filename" ? source.specifier.value : undefined;
}

function nonEmpty(bytes: Buffer): LoadedData | undefined {
  return bytes.length === 0 ? undefined : { bytes, path: "<inline>" };
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(code === "ENOENT" ? `Invalid path: ${path}` : `unable to read file: ${path}`, {
      cause: error,
    });
  }
}
