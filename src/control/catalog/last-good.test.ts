import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempDir } from "../../testing/temp-dir.ts";
import type { SavedCatalog } from "./catalog-store.ts";
import { LastGoodKeeper, loadLastGood } from "./last-good.ts";

function catalog(port: number): SavedCatalog {
  const endpoint = { ip: "10.0.0.1", port, weight: 1, region: "", zone: "", version: "", metadata: {} };
  return { file: { users: [{ ...endpoint, health: "healthy" }] } };
}

test("LastGoodKeeper leaves a whole file at any moment and the newest content at the end", async () => {
  const file = join(tempDir("last-good"), "sub", "catalog.json");
  let port = 0;
  const failed = (error: Error) => assert.fail(error);
  const keeper = new LastGoodKeeper(file, () => (port === 0 ? undefined : catalog(port)), failed);
  await keeper.close();
  assert.equal(await loadLastGood(file), undefined, "nothing worth saving");
  const closing: Promise<void>[] = [];
  for (port = 1; port < 30; port++) {
    keeper.changed();
    closing.push(keeper.close());
    if (port % 10 === 0) await closing.at(-1);
    if (port > 10) assert.ok(await loadLastGood(file));
  }
  await Promise.all(closing);
  port = 30;
  await keeper.close();
  assert.deepEqual((await loadLastGood(file))!.catalog, catalog(30));
});

test("loadLastGood() refuses a damaged file by name", async () => {
  const file = join(tempDir("last-good"), "catalog.json");
  await new LastGoodKeeper(
    file,
    () => catalog(1),
    (error) => assert.fail(error),
  ).close();
  writeFileSync(file, readFileSync(file, "utf8").replace('"port":1', '"port":2'));
  await assert.rejects(loadLastGood(file), /Cannot load last known good ".*catalog\.json": it is damaged/);
});
