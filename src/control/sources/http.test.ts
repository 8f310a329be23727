import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { httpSource } from "./http.ts";

const users = (...ports: number[]) => ({
  services: { users: { instances: ports.map((port) => ({ ip: "10.0.0.1", port })) } },
});

test("httpSource.watch() follows the document and keeps asking after errors and nonsense", async (t) => {
  const server = await ScriptedHttp.start(t, () => users(1, 2));
  const source = new WatchedSource(
    t,
    httpSource,
    `url=${server.url}/services.json?a=1,interval=10ms,token=t0`,
  );
  await source.until("users=10.0.0.1:1,10.0.0.1:2");
  assert.equal(server.asked[0], "GET /services.json?a=1");
  assert.equal(server.last?.headers.authorization, "Bearer t0");
  server.answer = () => users(2);
  await source.until("users=10.0.0.1:2");
  server.answer = () => ({ status: 503, body: "later" });
  await source.until("error: HTTP 503: later");
  for (const [nonsense, problem] of [
    ["", /services: /],
    ["{}", /services: /],
    ['{"services":{"users":{"instances":[{"ip":"10.0.0.1"}]}}}', /port: /],
    ["<html>", /expected object|Invalid input/],
    ['{"services":{"us', /error: Cannot load/],
  ] as const) {
    server.answer = () => nonsense;
    await source.until(problem);
  }
  server.answer = () => users();
  await source.until("users=");
  assert.equal(source.logged.filter((line) => line.startsWith("cannot read")).length >= 1, true);
});

test("httpSource.watch() asks for changes only", async (t) => {
  let version = 1;
  const seen: (string | undefined)[] = [];
  const server = await ScriptedHttp.start(t, (_url, request) => {
    const tag = request.headers["if-none-match"];
    seen.push(`${tag} ${request.headers["if-modified-since"]}`);
    if (tag === `"${version}"`) return { status: 304 };
    return {
      status: 200,
      body: users(version),
      headers: { etag: `"${version}"`, "last-modified": "Sun, 22 Nov 2026 06:00:00 GMT" },
    };
  });
  const source = new WatchedSource(t, httpSource, `url=${server.url},interval=10ms`);
  assert.equal(await source.nextText(), "users=10.0.0.1:1");
  assert.equal(await source.nextText(), "users=10.0.0.1:1");
  version = 2;
  await source.until("users=10.0.0.1:2");
  assert.equal(seen[0], "undefined undefined");
  assert.equal(seen[1], '"1" Sun, 22 Nov 2026 06:00:00 GMT');
});

test("httpSource.watch() gives up on a server that answers too slowly", async (t) => {
  const server = await ScriptedHttp.start(t, () => () => {});
  const source = new WatchedSource(t, httpSource, `url=${server.url}/x,timeout=30ms`);
  assert.equal(await source.nextText(), "error: no answer to /x within 30 ms");
  server.answer = () => users(1);
  await source.until("users=10.0.0.1:1");
});
