import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { checkRevisionStore } from "../../testing/revision-store-contract.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { KeptRevisionStore } from "./kept-revision-store.ts";
import { StoreUnavailable, type RevisionDraft, type RevisionStore } from "./revision-store.ts";
import { SqliteRevisionStore } from "./sqlite-revision-store.ts";

function draft(message: string): RevisionDraft {
  return { time: 1, by: "ann", source: "test", message, documents: { policy: message } };
}

/** A shared store that can be out of reach, and control planes that keep what they knew of it. */
class Place {
  readonly folder = tempDir("kept");
  readonly file = join(this.folder, "last-good.json.revision");
  readonly warnings: string[] = [];
  reachable = true;
  readonly #test: TestContext;

  constructor(t: TestContext) {
    this.#test = t;
  }

  async open(): Promise<KeptRevisionStore> {
    const store = await KeptRevisionStore.open({
      file: this.file,
      name: "the shared store",
      open: async () => this.shared(),
      log: { info: () => {}, warn: (text) => this.warnings.push(text) },
      retryMs: 10,
    });
    this.#test.after(() => store.close());
    return store;
  }

  shared(): RevisionStore {
    if (!this.reachable) throw new Error("Cannot open", { cause: new Error("nobody answers") });
    const store = new SqliteRevisionStore({ path: join(this.folder, "revisions.db"), pollMs: 10 });
    this.#test.after(() => store.close());
    return store;
  }
}

test("KeptRevisionStore", async (t) => {
  await checkRevisionStore(t, async (each, keep) => {
    const folder = tempDir("kept");
    const path = join(folder, "revisions.db");
    let count = 0;
    return async () => {
      const store = await KeptRevisionStore.open({
        file: join(folder, `${++count}.revision`),
        name: "SQLite",
        open: async () => new SqliteRevisionStore({ path, keep, pollMs: 10 }),
        log: { info: () => {}, warn: (text) => assert.fail(text) },
      });
      each.after(() => store.close());
      return store;
    };
  });
});

test("KeptRevisionStore starts with what it kept while the shared store is away, and changes nothing", async (t) => {
  const place = new Place(t);
  const before = await place.open();
  assert.equal(before.trouble, "");
  await before.append(0, draft("one"));
  await before.append(1, draft("two"));
  await before.close();
  place.reachable = false;
  const store = await place.open();
  assert.equal((await store.head())?.message, "two");
  assert.match(store.trouble, /Cannot open/);
  assert.match(place.warnings[0]!, /Cannot open; starting with revision 2, which ".*\.revision" has kept/);
  for (const refused of [store.append(2, draft("three")), store.list(10), store.get(1)])
    await assert.rejects(
      refused,
      (error) =>
        error instanceof StoreUnavailable &&
        error.message === "Cannot reach the shared store: nobody answers; nothing is changed, try again",
    );
  const { signal } = new AbortController();
  const next = store.next(2, signal);
  place.reachable = true;
  await place.shared().append(2, draft("three"));
  assert.equal((await next)?.message, "three");
  assert.equal(store.trouble, "");
  assert.equal((await store.append(3, draft("four"))).number, 4);
  await store.close();
  place.reachable = false;
  assert.equal((await (await place.open()).head())?.message, "four");
});

test("KeptRevisionStore that waits for the shared store ends at once", async (t) => {
  const place = new Place(t);
  const before = await place.open();
  await before.append(0, draft("one"));
  await before.close();
  place.reachable = false;
  const store = await place.open();
  const stopping = new AbortController();
  const aborted = store.next(1, stopping.signal);
  stopping.abort();
  assert.equal(await aborted, undefined);
  const atClose = store.next(1, new AbortController().signal);
  await store.close();
  assert.equal(await atClose, undefined);
});

test("KeptRevisionStore says so when there is nothing to start with", async (t) => {
  const place = new Place(t);
  place.reachable = false;
  await assert.rejects(place.open(), /Cannot open/);
  place.reachable = true;
  const store = await place.open();
  await store.append(0, draft("one"));
  await store.close();
  writeFileSync(place.file, readFileSync(place.file, "utf8").replace('"one"', '"two"'));
  place.reachable = false;
  await assert.rejects(place.open(), /Cannot open/);
  assert.match(place.warnings.at(-1)!, /Cannot load the kept revision ".*": it is damaged; going on without/);
});
