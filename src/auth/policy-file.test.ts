import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pino } from "pino";
import { FakeClock } from "../base/fake-clock.ts";
import { ConfigError } from "../base/load-config.ts";
import { PolicyFile, readPolicyFile } from "./policy-file.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-policy-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const log = pino({ level: "silent" });
const good = "rules:\n  - path: /health\n    allow: public\n";

test("readPolicyFile() names each problem with its line", () => {
  const path = join(folder, "bad.yaml");
  writeFileSync(
    path,
    "rules:\n  - path: health\n    alow: public\n  - path_prefix: /a\n    methods: [get]\n  - path: /b\n    allow: public\n    roles: [x]\ndefault: maybe\n",
  );
  assert.throws(
    () => readPolicyFile(path),
    (error) => {
      assert.ok(error instanceof ConfigError);
      const lines = error.problems.map((problem) => Number(/line (\d+)/.exec(problem)?.[1]));
      assert.deepEqual(
        lines.toSorted((a, b) => a - b),
        [2, 3, 5, 7, 9],
      );
      assert.match(error.message, /Cannot load ".*bad\.yaml": line 3: .*unknown field "alow"/);
      return true;
    },
  );
});

test("PolicyFile takes a changed file over, and keeps the last good one when it is bad or missing", () => {
  const path = join(folder, "policy.yaml");
  const clock = new FakeClock();
  writeFileSync(path, good);
  const file = new PolicyFile(path, clock, log);
  assert.equal(file.policy.rules.length, 1);
  const replace = (text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    clock.advance(600);
  };
  replace(`${good}  - path: /b\n`);
  assert.equal(file.policy.rules.length, 2);
  replace("rules: 5\n");
  assert.equal(file.policy.rules.length, 2);
  assert.equal(file.failures, 1);
  rmSync(path);
  clock.advance(600);
  assert.equal(file.policy.rules.length, 2);
  replace(good);
  assert.equal(file.policy.rules.length, 1);
  file.stop();
});
