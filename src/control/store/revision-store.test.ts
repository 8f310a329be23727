import { join } from "node:path";
import { test } from "node:test";
import { checkRevisionStore } from "../../testing/revision-store-contract.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { SqliteRevisionStore } from "./sqlite-revision-store.ts";

test("SqliteRevisionStore", async (t) => {
  await checkRevisionStore(t, async (each, keep) => {
    const path = join(tempDir("revisions"), "revisions.db");
    return async () => {
      const store = new SqliteRevisionStore({ path, keep, pollMs: 10 });
      each.after(() => store.close());
      return store;
    };
  });
});
