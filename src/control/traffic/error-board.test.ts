import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorBoard } from "./error-board.ts";
import type { SeenRequest } from "./seen-traffic.ts";

const MINUTE = 60_000;

function seen(status: number, url: string): SeenRequest {
  const rest = { nodeCluster: "edge", method: "GET", route: "", startMs: 0, durationMs: 1 };
  return { cluster: "users", status, url, ...rest };
}

test("ErrorBoard counts what is not answered with 2xx, the most frequent first, over two periods", () => {
  const board = new ErrorBoard(MINUTE, 0);
  for (const status of [500, 200, 0, 404, 500, 204]) board.count(seen(status, "http://a/x"), 0);
  board.count(seen(500, "http://a/x"), MINUTE);
  const lines = (now: number) => board.top(10, now).lines.map(({ status, count }) => `${status} ${count}`);
  assert.deepEqual(lines(MINUTE), ["500 3", "404 1"]);
  assert.equal(board.top(10, MINUTE).since, 0);
  assert.deepEqual(lines(2 * MINUTE), ["500 1"]);
  assert.equal(board.top(10, 2 * MINUTE).since, MINUTE);
  assert.deepEqual(lines(9 * MINUTE), []);
});

test("ErrorBoard never misses what is frequent, however many other things fail", () => {
  const board = new ErrorBoard(MINUTE, 0, 10);
  for (let i = 0; i < 1000; i++) {
    board.count(seen(404, `http://a/scan/${i}`), 0);
    if (i % 4 === 0) board.count(seen(503, "http://a/x"), 0);
  }
  const { lines } = board.top(10, 0);
  assert.equal(lines.length, 10);
  assert.equal(lines[0]!.url, "http://a/x");
  const { count, tooHighBy } = lines[0]!;
  assert.ok(count >= 250 && count - tooHighBy <= 250, `${count - tooHighBy} to ${count} are 250`);
});
