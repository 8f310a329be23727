// Makes the package as it is published: compiled, and without the Node that a checkout brings along; its users bring
// their own. Usage: npm run build:package [-- FOLDER]
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = join(import.meta.dirname, "..");
const work = join(root, ".cache/package");
const target = resolve(process.argv[2] ?? join(root, ".cache"));

execFileSync(process.execPath, [join(root, "tools/build.ts")], { stdio: "inherit" });
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, unknown>;
for (const file of manifest["files"] as string[])
  cpSync(join(root, file), join(work, file), { recursive: true });
for (const field of ["optionalDependencies", "devDependencies", "scripts"]) delete manifest[field];
writeFileSync(join(work, "package.json"), JSON.stringify(manifest, null, 2) + "\n");
const name = execFileSync("npm", ["pack", "--silent", "--pack-destination", target], {
  cwd: work,
  encoding: "utf8",
}).trim();
console.log(join(target, name));
