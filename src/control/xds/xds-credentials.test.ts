import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Client, credentials as channel, Metadata } from "@grpc/grpc-js";
import { GrpcServer } from "../../grpc/server.ts";
import { GRPC_STATUS } from "../../grpc/status.ts";
import { unaryMethod } from "../../grpc/unary-method.ts";
import { makeCertificate, type TestCertificate } from "../../testing/certs.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { XdsCredentials, type XdsCredentialFiles } from "./xds-credentials.ts";

const ca = makeCertificate({ name: "ca", ca: true });

interface Fixture {
  readonly folder: string;
  readonly log: string[];
  /** "ok", or the status that a call ends with. */
  ask(client?: TestCertificate, token?: string): Promise<string>;
}

async function start(context: TestContext, files: (folder: string) => XdsCredentialFiles): Promise<Fixture> {
  const folder = tempDir("xds-credentials");
  const log: string[] = [];
  const own = makeCertificate({ name: "control", names: ["DNS:localhost"], issuer: ca });
  write(folder, { "tls.crt": own.cert, "tls.key": own.key, "ca.crt": ca.cert, tokens: "one\ntwo\n" });
  const credentials = await XdsCredentials.load(files(folder));
  const server = new GrpcServer({ admit: (call) => credentials.admit(call) });
  server.register(
    "/a.B/Get",
    unaryMethod((request) => request),
  );
  credentials.apply(server);
  const port = await server.listen("127.0.0.1", 0);
  const stopping = new AbortController();
  const note = (text: string) => void log.push(text);
  const following = credentials.follow(server, { info: note, warn: note }, stopping.signal);
  context.after(async () => {
    stopping.abort();
    await following;
    server.close();
  });
  const usesTls = files(folder).tls !== undefined;
  return {
    folder,
    log,
    async ask(certificate, token) {
      const [key, cert] = [certificate?.key, certificate?.cert].map((pem) => Buffer.from(pem ?? ""));
      const secure =
        certificate === undefined
          ? channel.createSsl(Buffer.from(ca.cert))
          : channel.createSsl(Buffer.from(ca.cert), key, cert);
      const metadata = new Metadata();
      if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
      const client = new Client(`localhost:${port}`, usesTls ? secure : channel.createInsecure());
      const same = (bytes: Buffer) => bytes;
      const { promise, resolve } = Promise.withResolvers<string>();
      const options = { deadline: Date.now() + 5000 };
      client.makeUnaryRequest("/a.B/Get", same, same, Buffer.from("x"), metadata, options, (error) =>
        resolve(error === null ? "ok" : String(error.code)),
      );
      const answer = await promise;
      client.close();
      return answer;
    },
  };
}

/** Files as a rename would change them. */
function write(folder: string, files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, `.${name}`), content);
    renameSync(join(folder, `.${name}`), join(folder, name));
  }
}

const pair = (folder: string) => ({ cert: join(folder, "tls.crt"), key: join(folder, "tls.key") });
const named = (...names: string[]) => makeCertificate({ name: "client", names, issuer: ca });

test("clients are let in by the names of their certificate", async (context) => {
  const { ask } = await start(context, (folder) => ({
    tls: { ...pair(folder), ca: join(folder, "ca.crt") },
    allowSans: ["spiffe://mesh/*", "edge.internal"],
  }));
  assert.equal(await ask(named("URI:spiffe://mesh/ns/default/sa/users")), "ok");
  assert.equal(await ask(named("DNS:other", "DNS:edge.internal")), "ok");
  assert.equal(await ask(named("URI:spiffe://other/mesh/")), String(GRPC_STATUS.permissionDenied));
  assert.equal(await ask(named()), String(GRPC_STATUS.permissionDenied));
  assert.equal(await ask(), String(GRPC_STATUS.unavailable), "no certificate at all");
});

test("tokens are checked, and read again when their file changes", async (context) => {
  const { folder, ask, log } = await start(context, (into) => ({ tokens: join(into, "tokens") }));
  assert.equal(await ask(undefined, "two"), "ok");
  for (const wrong of [undefined, "three", ""])
    assert.equal(await ask(undefined, wrong), String(GRPC_STATUS.unauthenticated));
  write(folder, { tokens: " \n" });
  await waitUntil("the empty file is told", () => log.some((line) => line.includes("it holds no token")));
  assert.equal(await ask(undefined, "one"), "ok", "what was in force stays");
  write(folder, { tokens: "three\n" });
  await waitUntil("the new token counts", async () => (await ask(undefined, "three")) === "ok");
  assert.equal(await ask(undefined, "one"), String(GRPC_STATUS.unauthenticated));
});

test("a new certificate is shown to new connections, a broken one is not used", async (context) => {
  const { folder, ask, log } = await start(context, (into) => ({ tls: pair(into) }));
  assert.equal(await ask(), "ok");
  write(folder, { "tls.crt": "nonsense" });
  await waitUntil("it is told", () => log.some((line) => line.includes("Cannot use certificate")));
  assert.equal(await ask(), "ok");
  const stranger = makeCertificate({ name: "control", names: ["DNS:localhost"] });
  write(folder, { "tls.key": stranger.key, "tls.crt": stranger.cert });
  await waitUntil("it is shown", async () => (await ask()) === String(GRPC_STATUS.unavailable));
});

test("XdsCredentials.load() refuses what cannot work", async () => {
  await assert.rejects(XdsCredentials.load({ allowSans: ["a"] }), /an allowed SAN needs a CA/);
  await assert.rejects(XdsCredentials.load({ tokens: "/nowhere/tokens" }), /ENOENT/);
});
