import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { RevisionConflict, type RevisionDraft, type RevisionStore } from "../control/store/revision-store.ts";

/** Opens one and the same, at first empty history several times, as several control planes do; `keep` revisions stay. */
export type MakeRevisionStore = (test: TestContext, keep: number) => Promise<() => Promise<RevisionStore>>;

function draft(policy: string, more: Partial<RevisionDraft> = {}): RevisionDraft {
  return { time: 1000, by: "ann", source: "file", message: "first", documents: { policy }, ...more };
}

/** What every store of revisions must do, as subtests. */
export async function checkRevisionStore(t: TestContext, make: MakeRevisionStore): Promise<void> {
  await t.test("keeps the whole configuration of each revision, also over a restart", async (t) => {
    const open = await make(t, 100);
    const store = await open();
    assert.equal(await store.head(), undefined);
    assert.deepEqual(await store.append(0, draft("a: 1")), { number: 1, ...draft("a: 1") });
    const second = draft("a: 1", { by: "bob", message: "deploy", documents: { policy: "a: 1", more: "é" } });
    await store.append(1, second);
    await store.close();
    const again = await open();
    assert.deepEqual(await again.head(), { number: 2, ...second });
    assert.deepEqual(await again.get(1), { number: 1, ...draft("a: 1") });
    assert.equal(await again.get(3), undefined);
    assert.deepEqual(
      (await again.list(10)).map(({ number, by }) => [number, by]),
      [
        [2, "bob"],
        [1, "ann"],
      ],
    );
    assert.deepEqual(
      (await again.list(10, 2)).map(({ number }) => number),
      [1],
    );
  });

  await t.test("lets one of several writers win", async (t) => {
    const open = await make(t, 100);
    const [a, b] = [await open(), await open()];
    await a.append(0, draft("a"));
    await assert.rejects(b.append(0, draft("b")), (error) => {
      assert.ok(error instanceof RevisionConflict);
      assert.equal(error.head, 1);
      return true;
    });
    await assert.rejects(a.append(7, draft("b")), RevisionConflict);
    assert.equal((await b.head())?.documents["policy"], "a");
    const outcomes = await Promise.allSettled([a, b, a, b].map((each, i) => each.append(1, draft(`${i}`))));
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  });

  await t.test("tells who waits of what this and other processes append", async (t) => {
    const open = await make(t, 100);
    const [a, b] = [await open(), await open()];
    const { signal } = new AbortController();
    const waiting = [a.next(0, signal), b.next(0, signal)];
    await a.append(0, draft("a"));
    assert.deepEqual(
      (await Promise.all(waiting)).map((each) => each?.number),
      [1, 1],
    );
    await b.append(1, draft("b"));
    await b.append(2, draft("c"));
    assert.equal((await a.next(1, signal))?.documents["policy"], "c");
    const stopping = new AbortController();
    const last = a.next(3, stopping.signal);
    stopping.abort();
    assert.equal(await last, undefined);
    const atClose = b.next(3, signal);
    await b.close();
    assert.equal(await atClose, undefined);
  });

  await t.test("forgets what is older than it is to keep", async (t) => {
    const store = await (await make(t, 2))();
    for (let i = 0; i < 4; i++) await store.append(i, draft(`text ${i % 2}`));
    assert.deepEqual(
      (await store.list(10)).map(({ number }) => number),
      [4, 3],
    );
    assert.equal(await store.get(2), undefined);
    assert.equal((await store.get(3))?.documents["policy"], "text 0");
  });
}
