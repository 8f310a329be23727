import assert from "node:assert/strict";
import { test } from "node:test";
import { randomUuid, RandomUuids } from "./random-uuid.ts";

test("randomUuid() gives distinct version 4 UUIDs over several batches", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) {
    const id = randomUuid();
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    seen.add(id);
  }
  assert.equal(seen.size, 2000);
});

test("RandomUuids puts its texts around each", () => {
  const lines = new RandomUuids("x-request-id: ", "\r\n");
  for (let i = 0; i < 1100; i++)
    assert.match(
      lines.next(),
      /^x-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n$/,
    );
});
