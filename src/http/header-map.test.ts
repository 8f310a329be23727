import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldTable, LINE, LOOSE } from "./field-table.ts";
import { HeaderLine } from "./header-line.ts";
import { HeaderMap } from "./header-map.ts";
import { HEADER_ID_COUNT, HEADER_NAMES, headerIdOfBytes, knownHeaderId } from "./header-name.ts";
import { HeaderSet } from "./header-set.ts";

/** A map as the HTTP/1.1 parser would fill it. */
function parsed(lines: string[]): HeaderMap {
  const map = HeaderMap.acquire();
  const raw = lines.map((line) => line + "\r\n").join("");
  const fields = new FieldTable();
  let at = 0;
  for (const line of lines) {
    const colon = line.indexOf(":");
    let value = colon + 1;
    while (line[value] === " ") value++;
    const name = Buffer.from(line.slice(0, colon));
    const state = value === colon + 2 ? LINE : LOOSE;
    fields.append(
      at,
      at + colon,
      at + value,
      at + line.length,
      state | headerIdOfBytes(name, 0, name.length),
    );
    at += line.length + 2;
  }
  map.adopt(raw, fields);
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

test("HeaderMap.adopt() folds repeats of inline headers and keeps other repeats apart", () => {
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

test("HeaderMap.setLine() gives and replaces one line, and removeSet() takes many away", () => {
  const server = knownHeaderId("server");
  const map = parsed(["server: nginx", "date: d", "x-a: 1", "via: v"]);
  map.setLine(new HeaderLine(server, "server: weft\r\n"));
  map.setLine(HeaderLine.of(knownHeaderId("te"), "trailers"));
  assert.equal(map.getId(server), "weft");
  assert.equal(map.toLines(), "server: weft\r\ndate: d\r\nx-a: 1\r\nvia: v\r\nte: trailers\r\n");
  assert.equal(map.byteSize, 33);
  const set = new HeaderSet(["server", "via", "te", "expect"]);
  assert.ok(map.hasAny(set));
  map.removeSet(set);
  assert.equal(map.toLines(), "date: d\r\nx-a: 1\r\n");
  assert.equal(map.size, 2);
  assert.ok(!map.hasAny(set));
  map.set("x-a", "2");
  assert.equal(map.get("x-a"), "2");
});

test("HeaderMap.toRequestLines() takes the start as it came until it is changed", () => {
  const raw = "GET /a HTTP/1.1\r\nhost: h\r\naccept: b\r\n\r\n";
  const fields = new FieldTable();
  fields.append(26, 32, 34, 35, LINE | knownHeaderId("accept"));
  const map = HeaderMap.acquire();
  map.adopt(raw, fields);
  map.method = "GET";
  map.path = "/a";
  map.authority = "h";
  map.keepStart(26);
  assert.equal(map.toRequestLines(), raw.slice(0, -2));
  map.path = "/b";
  assert.equal(map.toRequestLines(), "GET /b HTTP/1.1\r\nhost: h\r\naccept: b\r\n");
});
