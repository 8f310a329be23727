import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = new Set<string>();

process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Makes a folder of its own that goes away with this process (kept when `WEFT_KEEP_TEMP=1`, to look into it). */
export function tempDir(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `weft-${name}-`));
  if (process.env["WEFT_KEEP_TEMP"] !== "1") folders.add(folder);
  return folder;
}
