import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { makeCertificate } from "../testing/certs.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { waitUntil } from "../testing/wait-until.ts";
import type { ApiAccessFiles } from "./api-access.ts";
import { startControl, type ControlPlane } from "./control.ts";

const ca = makeCertificate({ name: "ca", ca: true });

async function start(
  context: TestContext,
  apiAccess: ApiAccessFiles,
): Promise<{ control: ControlPlane; log: string[] }> {
  const sources = tempDir("api-access");
  const instances = (version: string) => ({ ip: "127.0.0.1", port: 1, version });
  const users = { instances: [instances("v1"), { ...instances("v2"), port: 2 }] };
  writeFileSync(join(sources, "services.json"), JSON.stringify({ services: { users } }));
  const log: string[] = [];
  const note = (text: string) => void log.push(text);
  const control = await startControl({
    sources: [`file:path=${sources}`],
    apiAccess,
    log: { info: note, warn: note },
  });
  context.after(() => control.close());
  return { control, log };
}

function tokenFile(text: string): string {
  const file = join(tempDir("api-tokens"), "tokens");
  writeFileSync(file, text);
  return file;
}

const DEPLOY = JSON.stringify({ to: "v2", steps: [100], interval_ms: 1000 });

test("changes need a token, and are in the name of who has it", async (t) => {
  const tokens = tokenFile("ann secret-a\nbob secret-b # on holiday\n");
  const { control, log } = await start(t, { tokens });
  const api = `http://127.0.0.1:${control.apiPort}`;
  await waitUntil("it is ready", async () => (await fetch(`${api}/readyz`)).ok);
  const deploy = (token?: string) =>
    fetch(`${api}/v1/deployments/users`, {
      method: "POST",
      body: DEPLOY,
      headers: { "x-weft-user": "mallory", ...(token && { authorization: `Bearer ${token}` }) },
    });
  for (const token of [undefined, "secret-c", "ann", "secret-a "]) {
    const refused = await deploy(token?.replace(" ", "x"));
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.get("www-authenticate"), "Bearer");
    assert.match(await refused.text(), /WEFT_CONTROL_TOKEN/);
  }
  assert.equal((await fetch(`${api}/v1/holds/users`, { method: "DELETE" })).status, 401);
  assert.equal((await deploy("secret-b")).status, 200);
  const { revisions } = (await (await fetch(`${api}/v1/revisions`)).json()) as {
    revisions: { by: string }[];
  };
  assert.equal(revisions[0]?.by, "bob");
  assert.equal(
    (await fetch(`${api}/v1/policy/diff`, { method: "POST", body: "{}" })).status,
    200,
    "a question",
  );

  writeFileSync(tokens, "carol\n");
  await waitUntil("the broken file is told", () =>
    log.some((line) => line.includes("line 1: a line is NAME TOKEN")),
  );
  assert.equal((await deploy("secret-c")).status, 401, "what was in force stays");
  writeFileSync(tokens, "carol secret-c\n");
  await waitUntil("the new token is taken", async () => (await deploy("secret-c")).status !== 401);
  assert.equal((await deploy("secret-b")).status, 401);
});

test("reads need a token when they are to, but for health", async (t) => {
  const { control } = await start(t, { tokens: tokenFile("ann secret-a"), readTokens: true });
  const status = async (path: string, init = {}) =>
    (await fetch(`http://127.0.0.1:${control.apiPort}${path}`, init)).status;
  const headers = { authorization: "Bearer secret-a" };
  for (const path of ["/v1/nodes", "/metrics", "/v1/policy"]) {
    assert.equal(await status(path), 401, path);
    assert.equal(await status(path, { headers }), 200, path);
  }
  const poll = { method: "POST", body: "{}" };
  assert.equal(await status("/v3/discovery:clusters", poll), 401);
  assert.notEqual(await status("/v3/discovery:clusters", { ...poll, headers }), 401);
  assert.equal(await status("/healthz"), 200);
});

test("the API is served over TLS, and takes a new certificate", async (t) => {
  const folder = tempDir("api-tls");
  const tls = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") };
  const issue = (name: string) => {
    const made = makeCertificate({ name, names: ["DNS:localhost"], issuer: ca });
    writeFileSync(tls.key, made.key);
    writeFileSync(tls.cert, made.cert);
  };
  issue("first");
  const { control } = await start(t, { tls });
  const subject = () =>
    new Promise<string>((resolve, reject) => {
      const options = {
        host: "localhost",
        port: control.apiPort,
        path: "/healthz",
        ca: ca.cert,
        agent: false,
      };
      const asked = request(options, (response) => {
        const { subject: of } = (response.socket as import("node:tls").TLSSocket).getPeerCertificate();
        response.resume().on("end", () => resolve(String(of.CN)));
      });
      asked.on("error", reject).end();
    });
  assert.equal(await subject(), "first");
  issue("second");
  await waitUntil("the new certificate is shown", async () => (await subject()) === "second");
});

test("files that make no sense keep it from starting", async (t) => {
  const starting = (files: ApiAccessFiles) => start(t, files);
  await assert.rejects(starting({ tokens: tokenFile("# nobody\n") }), /it holds no token/);
  await assert.rejects(starting({ tokens: tokenFile("a b c") }), /line 1: a line is NAME TOKEN/);
  await assert.rejects(starting({ tokens: "/nowhere/tokens" }), /ENOENT/);
});
