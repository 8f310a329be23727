import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Writable } from "node:stream";
import { pino } from "pino";
import { waitUntil } from "../testing/wait-until.ts";
import { startAuth } from "./start-auth.ts";
import type { RunningAuth } from "./start-auth.ts";
import { createAuthToken, listAuthTokens, revokeAuthToken } from "./token-file.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-auth-"));
const path = join(folder, "auth.db");
const policyPath = join(folder, "policy.yaml");
let logged = "";
const log = pino(
  { level: "debug" },
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      logged += chunk.toString();
      done();
    },
  }),
);
let auth: RunningAuth;
let user: { id: string; token: string };

before(async () => {
  writeFileSync(
    policyPath,
    "rules:\n  - path: /open\n    allow: public\n  - path_prefix: /admin\n    roles: [admin]\n",
  );
  user = createAuthToken(path, { user: "ann", roles: ["reader", "writer"] });
  auth = await startAuth({ path, port: 0, grpcPort: 0, adminPort: 0, policyPath, log });
});
after(async () => {
  await auth.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

async function ask(
  target: string,
  headers: Record<string, string> = {},
  method = "GET",
  url = auth.url,
): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const call = request({ hostname, port, method, path: target, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    call.on("error", reject);
    call.end();
  });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test("a known token is allowed with user, roles, trace and request id", async () => {
  const reply = await ask("/users/1?x=1", {
    ...bearer(user.token),
    "x-request-id": "r1",
    "x-user-id": "root",
  });
  assert.equal(reply.status, 200);
  assert.equal(reply.headers["x-user-id"], "ann");
  assert.equal(reply.headers["x-user-roles"], "reader,writer");
  assert.equal(reply.headers["x-request-id"], "r1");
  assert.match(String(reply.headers["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.equal(reply.headers["x-envoy-auth-headers-to-remove"], "tracestate");
});

test("a valid trace goes on as it is; a broken one begins anew", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  assert.equal((await ask("/", { ...bearer(user.token), traceparent })).headers["traceparent"], traceparent);
  const broken = await ask("/", { ...bearer(user.token), traceparent: traceparent.replace("00-", "ff-") });
  assert.notEqual(broken.headers["traceparent"], traceparent);
});

test("without or with bad credentials there is a 401 as RFC 6750 says", async () => {
  const missing = await ask("/users");
  assert.equal(missing.status, 401);
  assert.equal(missing.headers["www-authenticate"], 'Bearer realm="weft"');
  for (const authorization of [
    `Bearer ${user.token.slice(0, -1)}!`,
    "Bearer x",
    "Basic YTpi",
    `Bearer ${user.token}, Bearer x`,
  ]) {
    const invalid = await ask("/users", { authorization });
    assert.equal(invalid.status, 401, authorization);
    assert.match(
      String(invalid.headers["www-authenticate"]),
      /^Bearer realm="weft", error="invalid_token", error_description="[^"]+"$/,
    );
  }
});

test("rules make paths public or ask for roles, in whatever spelling", async () => {
  const open = await ask("/open");
  assert.equal(open.status, 200);
  assert.equal(open.headers["x-user-id"], undefined);
  assert.equal(open.headers["x-envoy-auth-headers-to-remove"], "x-user-id,x-user-roles,tracestate");
  assert.equal((await ask("/open", bearer("wrong"))).status, 200);
  for (const target of ["/admin", "/open/../admin", "//admin", "/%61dmin/x"]) {
    const denied = await ask(target, bearer(user.token), "POST");
    assert.equal(denied.status, 403, target);
    assert.match(String(denied.headers["www-authenticate"]), /error="insufficient_scope"/);
  }
  const admin = createAuthToken(path, { user: "root", roles: ["admin"] });
  await waitUntil(
    "the new token counts",
    async () => (await ask("/admin", bearer(admin.token))).status === 200,
    1000,
  );
});

test("a revoked token ends within a second; an expired one at its time", async () => {
  const { id, token } = createAuthToken(path, { user: "bob", ttlSeconds: 0.6 });
  const other = createAuthToken(path, { user: "eve" });
  await waitUntil("both count", async () => {
    const replies = await Promise.all([ask("/", bearer(token)), ask("/", bearer(other.token))]);
    return replies.every((reply) => reply.status === 200);
  });
  assert.equal(revokeAuthToken(path, other.id), true);
  assert.equal(revokeAuthToken(path, other.id), false);
  await waitUntil("it is revoked", async () => (await ask("/", bearer(other.token))).status === 401, 1000);
  await waitUntil(
    "it is expired",
    async () => (await ask("/", bearer(token))).body.includes("expired"),
    1000,
  );
  const listed = listAuthTokens(path).find((one) => one.id === id);
  assert.equal(listed?.user, "bob");
});

test("known tokens stay when the reader dies or the store is gone, and new ones count when it is back", async () => {
  assert.equal((await ask("/reader/restart", {}, "POST", auth.adminUrl)).status, 202);
  assert.equal((await ask("/", bearer(user.token))).status, 200);
  const metric = async (name: string) =>
    Number(
      new RegExp(`^${name} (\\S+)`, "m").exec((await ask("/metrics", {}, "GET", auth.adminUrl)).body)?.[1],
    );
  assert.equal(await metric("weft_auth_reader_restarts_total"), 1);
  const during = createAuthToken(path, { user: "new" });
  await waitUntil(
    "the new reader reads",
    async () => (await ask("/", bearer(during.token))).status === 200,
    2000,
  );
  renameSync(path, `${path}.away`);
  await waitUntil("the reader fails", async () => (await metric("weft_auth_store_failures_total")) > 0, 1000);
  assert.equal((await ask("/", bearer(user.token))).status, 200);
  assert.ok((await metric("weft_auth_store_stale_seconds")) > 0.1);
  renameSync(`${path}.away`, path);
  await waitUntil(
    "it is read again",
    async () => (await metric("weft_auth_store_stale_seconds")) < 0.1,
    1000,
  );
  assert.match(logged, /cannot read the token store: known tokens stay/);
});

test("the admin port has health, readiness and metrics; the log never has a token", async () => {
  assert.equal((await ask("/healthz", {}, "GET", auth.adminUrl)).status, 200);
  assert.equal((await ask("/readyz", {}, "GET", auth.adminUrl)).status, 200);
  assert.equal((await ask("/readyz")).status, 401, "on the other port it is a path like any other");
  const metrics = (await ask("/metrics", {}, "GET", auth.adminUrl)).body;
  assert.match(metrics, /weft_auth_checks_total\{result="allowed"\} [1-9]/);
  await ask(`/users?access_token=${user.token}`);
  assert.match(logged, /refused/);
  assert.ok(!logged.includes("wft_"));
});

test("startAuth() takes off the path prefix, and refuses bad files in one line", async () => {
  const own = await startAuth({
    path: join(folder, "own.db"),
    port: 0,
    adminPort: 0,
    pathPrefix: "/check",
    policyPath,
    log,
  });
  assert.equal((await ask("/check/open", {}, "GET", own.url)).status, 200);
  assert.equal((await ask("/open", {}, "GET", own.url)).status, 503);
  const port = Number(new URL(own.url).port);
  await assert.rejects(
    startAuth({ path: join(folder, "own.db"), port, log }),
    /Cannot listen on 127\.0\.0\.1:\d+/,
  );
  await own.close();
  writeFileSync(join(folder, "bad.yaml"), "rules: [\n");
  await assert.rejects(
    startAuth({ path, policyPath: join(folder, "bad.yaml"), log }),
    /Cannot load ".*bad\.yaml": line \d/,
  );
});
