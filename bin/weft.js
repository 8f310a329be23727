#!/usr/bin/env node
// Launcher: needs Node 24; runs the sources of a checkout, or dist/ of an installed package. Plain JavaScript that any Node can read.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const pinned = `${root}node_modules/.bin/node`;

if (Number(process.versions.node.split(".")[0]) >= 24) {
  const require = createRequire(import.meta.url);
  if (process.argv[2] === "proxy") limitYoungGeneration(require("node:v8"));
  // Keeps compiled code between runs: a proxy starts in half the time. Depends on V8's flags, so those come first.
  require("node:module").enableCompileCache?.();
  const source = `${root}src/cli/main.ts`;
  const { main } = await import(pathToFileURL(existsSync(source) ? source : `${root}dist/cli/main.js`).href);
  await main(process.argv.slice(2));
} else if (existsSync(pinned) && process.env.WEFT_LAUNCHED === undefined) {
  const child = spawn(pinned, process.argv.slice(1), {
    stdio: "inherit",
    env: { ...process.env, WEFT_LAUNCHED: "1" },
  });
  // Ctrl-C comes from a terminal to both of us. Passed on, it would be the second one, which ends without draining.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => void (signal === "SIGINT" && terminal ? undefined : child.kill(signal)));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
} else {
  console.error(`Cannot start: weft needs Node 24 or newer, this is ${process.version}`);
  process.exit(1);
}

/**
 * Little of what a request allocates outlives it, so a large young generation of each thread is memory for nothing. The
 * main thread's heap exists already and stays as small as it is; those of workers get semi-spaces of 2 MB.
 */
function limitYoungGeneration(v8) {
  for (const flag of ["--semi-space-growth-factor=1", "--min-semi-space-size=2", "--max-semi-space-size=2"])
    v8.setFlagsFromString(flag);
}
