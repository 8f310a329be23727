import assert from "node:assert/strict";
import { test } from "node:test";
import { tempDir } from "../../testing/temp-dir.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { Configuration } from "./configuration.ts";
import { policyWithoutFile } from "../policy/mesh-policy.ts";
import type { Revision } from "../store/revision-store.ts";
import { SqliteRevisionStore } from "../store/sqlite-revision-store.ts";

/** A store that cannot be read when a revision is waited for at first, as etcd when its members die. */
class FailingStore extends SqliteRevisionStore {
  failures = 2;

  override async next(after: number, signal: AbortSignal): Promise<Revision | undefined> {
    if (this.failures-- > 0) throw new Error("no member answers");
    return super.next(after, signal);
  }
}

test("Configuration.follow() goes on when the store could not be read", async (t) => {
  const path = `${tempDir("configuration")}/revisions.db`;
  const warnings: string[] = [];
  const open = async (store: SqliteRevisionStore) => {
    t.after(() => store.close());
    const log = { info: () => {}, warn: (text: string) => void warnings.push(text) };
    return Configuration.open({ store, log, now: () => 0, fallback: policyWithoutFile() });
  };
  const here = await open(new FailingStore({ path, pollMs: 10 }));
  const elsewhere = await open(new SqliteRevisionStore({ path, pollMs: 10 }));
  const stopping = new AbortController();
  const following = here.follow(stopping.signal);
  await elsewhere.takePolicyFile("services: { users: { split: { v1: 1 } } }\n", "mesh.yaml");
  await waitUntil("the policy is in force", () => here.policy.services["users"] !== undefined);
  assert.deepEqual(warnings, ["cannot read the newest revision: no member answers"]);
  stopping.abort();
  await following;
});
