import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** Makes the folder that a file is to lie in. */
export function makeFolderOf(file: string): void {
  if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true });
}
