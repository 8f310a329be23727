import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "./header-map.ts";
import { HEADER_ID_COUNT, HEADER_NAMES, headerIdOfBytes, knownHeaderId } from "./header-name.ts";

/** A map as the HTTP/1.1 parser would fill it. */
function parsed(lines: string[]): HeaderMap {
  const map = HeaderMap.acquire();
  const raw = lines.map((line) => line + "\r\n").join("");
  map.setRaw(raw);
  let at = 0;
  for (const line of lines) {
    const colon = line.indexOf(":");
    let value = colon + 1;
    while (line[value] === " ") value++;
    const name = Buffer.from(line.slice(0, colon));
    map.addRaw(
      headerIdOfBytes(name, 0, name.length),
      at,
      at + colon,
      at + value,
      at + line.length,
      value === colon + 2,
    );
    at += line.length + 2;
  }
  return map;
}

test("headerIdOfBytes() finds every well-known name", () => {
  for (let id = 1; id < HEADER_ID_COUNT; id++) {
    const bytes = Buffer.from(HEADER_NAMES[id]!);
    assert.equal(headerIdOfBytes(bytes, 0, bytes.length), id);
  }
  assert.equal(headerIdOfBytes(Buffer.from("x-nobody"), 0, 8), 0);
});

test("HeaderMap writes untouched lines as they came, and changed ones in place", () => {
  const map = parsed(["accept: */*", "x-a: 1", "x-b:   2", "user-agent: t", "x-a: 3"]);
  assert.equal(map.toLines(), "accept: */*\r\nx-a: 1\r\nx-b: 2\r\nuser-agent: t\r\nx-a: 3\r\n");
  assert.deepEqual(map.getAll("x-a"), ["1", "3"]);
  map.set("user-agent", "u");
  map.set("x-a", "9");
  map.remove("accept");
  map.add("x-new", "n");
  assert.equal(map.toLines(), "x-a: 9\r\nx-b: 2\r\nuser-agent: u\r\nx-new: n\r\n");
  assert.equal(map.size, 4);
  map.release();
});

test("HeaderMap.addRaw() folds repeats of inline headers and keeps other repeats apart", () => {
  const map = parsed(["accept: a", "cookie: x", "accept: b", "cookie: y"]);
  assert.equal(map.get("accept"), "a,b");
  assert.equal(map.toLines(), "accept: a,b\r\ncookie: x\r\ncookie: y\r\n");
  map.setId(knownHeaderId("cookie"), "z");
  assert.equal(map.toLines(), "accept: a,b\r\ncookie: z\r\n");
});

test("HeaderMap.release() leaves nothing behind for the next owner", () => {
  const map = parsed(["accept: a", "x-a: 1"]);
  map.path = "/p";
  map.status = 200;
  map.release();
  const next = HeaderMap.acquire();
  assert.equal(next.get("accept"), undefined);
  assert.equal(next.get(":path"), undefined);
  assert.equal(next.status, 0);
  assert.equal(next.toLines(), "");
});

test("HeaderMap grows past its first capacity", () => {
  const map = parsed(Array.from({ length: 200 }, (_, i) => `x-${i}: ${i}`));
  assert.equal(map.get("x-199"), "199");
  assert.equal(map.size, 200);
  assert.equal(map.clone().toLines(), map.toLines());
});

test("HeaderMap.get() reads pseudo fields and treats host as the authority", () => {
  const map = HeaderMap.of([["host", "ignored"]]);
  map.authority = "a.example";
  map.set(":path", "/x");
  assert.equal(map.get("host"), "a.example");
  assert.equal(map.get(":authority"), "a.example");
  assert.equal(map.get(":path"), "/x");
});
