import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Inputs of one target that are kept: one JSON string a line, each character a byte. */
export class Corpus {
  readonly path: string;
  readonly inputs: readonly Buffer[];

  constructor(name: string) {
    this.path = join(import.meta.dirname, "corpus", `${name}.txt`);
    const text = existsSync(this.path) ? readFileSync(this.path, "utf8") : "";
    const lines = text.split("\n").filter((line) => line !== "");
    this.inputs = lines.map((line) => Buffer.from(JSON.parse(line) as string, "latin1"));
  }

  /** Replaces what is kept. */
  keep(inputs: readonly Buffer[]): void {
    const lines = inputs
      .map((bytes) => printed(bytes))
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    writeFileSync(this.path, lines.map((line) => `${line}\n`).join(""));
  }
}

/** In ASCII alone, so that files can be read and compared. */
export function printed(bytes: Buffer): string {
  const text = JSON.stringify(bytes.toString("latin1"));
  return text.replace(/[\u007f-\u00ff]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
