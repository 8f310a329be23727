// Checks the direction of imports between the folders of src/ against tools/layers.json, and the size of source files.
// Usage: node tools/check-layers.ts
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const MAX_LINES = 500;
const src = join(import.meta.dirname, "../src");
const layers = JSON.parse(readFileSync(join(import.meta.dirname, "layers.json"), "utf8")) as Record<
  string,
  string[]
>;
const problems = sourceFiles().flatMap(check);

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log("layers: ok");

function sourceFiles(): string[] {
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}

function check(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const name = relative(src, file);
  const found: string[] = [];
  const lines = text.split("\n").length - 1;
  if (lines > MAX_LINES) found.push(`src/${name}: ${lines} lines, at most ${MAX_LINES} are allowed`);
  const layer = name.split("/")[0]!;
  const allowed = layers[layer];
  if (allowed === undefined) return [`src/${name}: folder "${layer}" is not in tools/layers.json`];
  for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
    const target = relative(src, resolve(dirname(file), specifier!));
    const other = target.split("/")[0]!;
    if (other === layer || target.startsWith("..")) continue;
    if (other === "testing" && name.endsWith(".test.ts")) continue;
    if (allowed.includes("*") || allowed.includes(other) || (name.endsWith(".test.ts") && other !== "cli"))
      continue;
    if (allowed.some((entry) => entry.includes("/") && target.startsWith(entry))) continue;
    found.push(
      `src/${name}: must not import src/${target} (${layer} may import: ${allowed.join(", ") || "nothing"})`,
    );
  }
  return found;
}
