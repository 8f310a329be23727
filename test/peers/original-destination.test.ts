import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { peerTest } from "../../src/testing/peers.ts";

const child = join(import.meta.dirname, "original-destination.child.ts");

peerTest(
  "connections redirected by REDIRECT and TPROXY go where they wanted to go, as with real Envoy",
  ["envoy", "iptables"],
  async (t) => {
    if (spawnSync("unshare", ["-n", "true"]).status !== 0)
      return t.skip("needs to make network namespaces: run it as root");
    const [envoy, weft] = await Promise.all([outcome("envoy"), outcome("weft")]);
    assert.equal(envoy.answers["REDIRECT 8080"], "the host on 8080");
    assert.equal(envoy.answers["TPROXY"], "the host on 8080");
    assert.equal(envoy.answers["REDIRECT to a listener"], "the host of the listener");
    assert.deepEqual(weft, envoy);
  },
);

async function outcome(kind: string): Promise<{ answers: Record<string, string> }> {
  const run = new ManagedProcess("unshare", ["-n", process.execPath, child, kind]);
  const code = await run.exited;
  assert.equal(code, 0, `${kind}: ${run.stderr}`);
  return JSON.parse(run.stdout) as { answers: Record<string, string> };
}
