import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempDir } from "../../testing/temp-dir.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { execSource } from "./exec.ts";

const users = (port: number) =>
  JSON.stringify({ services: { users: { instances: [{ ip: "10.0.0.1", port }] } } });

test("execSource.watch() runs the command again and again", async (t) => {
  const file = join(tempDir("exec"), "out");
  writeFileSync(file, users(1));
  const source = new WatchedSource(t, execSource, `command=cat ${file},interval=10ms`);
  await source.until("users=10.0.0.1:1");
  writeFileSync(file, '{"services":{"us');
  await source.until(/error: Cannot load "standard output"/);
  writeFileSync(file, '{"services":{"users":{"instances":[]}}}');
  await source.until("users=");
});

test("execSource.watch() reports a command that fails, with what it said", async (t) => {
  const source = new WatchedSource(t, execSource, "command=echo no luck >&2; exit 3");
  assert.equal(await source.nextText(), "error: it ended with code 3: no luck");
});

test("execSource.watch() ends a command that takes too long, and what it started", async (t) => {
  const file = join(tempDir("exec"), "pid");
  const source = new WatchedSource(
    t,
    execSource,
    `command=(echo $$ >${file}; sleep 60) & wait,timeout=100ms`,
  );
  assert.equal(await source.nextText(), "error: it did not end within 100 ms");
});

test("execSource.watch() reads one document per line of a command that goes on", async (t) => {
  const folder = tempDir("exec");
  const script = join(folder, "script");
  writeFileSync(script, `echo '${users(1)}'; sleep 0.02; echo '${users(2)}'; echo oops; sleep 30\n`);
  const source = new WatchedSource(t, execSource, `command=. ${script},mode=stream`);
  assert.equal(await source.nextText(), "users=10.0.0.1:1");
  assert.equal(await source.nextText(), "users=10.0.0.1:2");
  assert.match(await source.nextText(), /^error: Cannot load/);
  writeFileSync(script, `echo '${users(3)}'\n`);
  await source.until("users=10.0.0.1:3");
  await source.until("error: it ended");
});

test("execSource.watch() ends the command with the watch", async (t) => {
  const file = join(tempDir("exec"), "pid");
  const source = new WatchedSource(
    t,
    execSource,
    `command=echo $$ >${file}; echo '${users(1).replaceAll(",", "\\,")}'; sleep 60,mode=stream`,
  );
  assert.equal(await source.nextText(), "users=10.0.0.1:1");
  source.stop();
  const pid = Number(readFileSync(file, "utf8"));
  await waitUntil("the command is gone", () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});
