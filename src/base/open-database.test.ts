import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openDatabase } from "./open-database.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-open-database-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("openDatabase() makes the file for its owner only and runs each migration once", () => {
  const path = join(folder, "sub", "a.db");
  const spec = { path, purpose: "a store", migrations: ["CREATE TABLE a (x)"] };
  openDatabase(spec).close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const again = openDatabase({ ...spec, migrations: ["CREATE TABLE a (x)", "CREATE TABLE b (y)"] });
  assert.equal(again.prepare("SELECT count(*) n FROM sqlite_schema WHERE type = 'table'").get()?.["n"], 2);
  assert.equal(again.prepare("PRAGMA synchronous").get()?.["synchronous"], 2);
  again.close();
});

test("openDatabase() refuses a file of a newer version and one that is no database", () => {
  const path = join(folder, "b.db");
  openDatabase({
    path,
    purpose: "a store",
    migrations: ["CREATE TABLE a (x)", "CREATE TABLE b (x)"],
  }).close();
  assert.throws(
    () => openDatabase({ path, purpose: "a store", migrations: ["CREATE TABLE a (x)"] }),
    /Cannot open a store ".*b\.db": it has schema version 2, this program knows 1/,
  );
  const text = join(folder, "c.db");
  writeFileSync(text, "not a database, by any means at all".repeat(100));
  assert.throws(
    () => openDatabase({ path: text, purpose: "a store", migrations: [] }),
    /Cannot open a store .*c\.db/,
  );
});
