import { readFile } from "node:fs/promises";

/** A secret option's value: itself, or for `@FILE` what the file holds now. Throws an Error when it cannot be read. */
export async function secretOf(value: string): Promise<string> {
  if (!value.startsWith("@")) return value;
  const file = value.slice(1);
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new Error(`Cannot read secret file "${file}": ${(error as Error).message}`, { cause: error });
  }
}
