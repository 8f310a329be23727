import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { text } from "node:stream/consumers";
import { tempDir } from "../../src/testing/temp-dir.ts";

const WEFT = join(import.meta.dirname, "../../bin/weft.js");

test("weft up gives up at once on a command that cannot be run", { timeout: 30_000 }, async (t) => {
  const folder = tempDir("up-errors");
  const file = join(folder, "weft.yaml");
  writeFileSync(
    file,
    "services:\n  a: { command: [no-such-program-anywhere] }\nroutes:\n  - { prefix: /, service: a }\n",
  );
  const child = spawn(process.execPath, [
    WEFT,
    "up",
    file,
    "--data-dir",
    join(folder, "data"),
    "--edge-port",
    "0",
  ]);
  t.after(() => child.kill("SIGKILL"));
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit"), text(child.stdout)]);
  assert.match(
    said,
    /Cannot start the mesh: instance a-1: cannot run "no-such-program-anywhere": there is no such program; correct services\.a\.command/,
  );
  assert.notEqual(code, 0);
});
