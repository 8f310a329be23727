import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import type { CryptoKey, JWK, JWTPayload } from "jose";
import { pino } from "pino";
import { FakeClock } from "../base/fake-clock.ts";
import { JwtVerifier } from "./jwt-verifier.ts";
import type { JwtOptions } from "./options.ts";

const log = pino({ level: "silent" });
const folder = mkdtempSync(join(tmpdir(), "weft-jwt-"));
const issuer = "https://issuer.example";
const clock = new FakeClock();
const now = clock.wall() / 1000;
let first: Key;
let second: Key;

interface Key {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

before(async () => {
  [first, second] = await Promise.all([makeKey("first"), makeKey("second")]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function makeKey(kid: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256" } };
}

async function sign(key: Key, claims: JWTPayload = {}): Promise<string> {
  const all = { sub: "ann", iss: issuer, aud: "mesh", exp: now + 60, roles: ["a", "b"], ...claims };
  return await new SignJWT(all).setProtectedHeader({ alg: "ES256", kid: key.kid }).sign(key.privateKey);
}

async function verifier(keys: readonly Key[], options: Partial<JwtOptions> = {}): Promise<JwtVerifier> {
  const path = join(folder, `${Math.random()}.json`);
  writeFileSync(path, JSON.stringify({ keys: keys.map((key) => key.jwk) }));
  const made = new JwtVerifier({ jwks: path, issuer, audience: "mesh", ...options }, clock, log);
  await made.keys.start();
  made.keys.stop();
  return made;
}

test("JwtVerifier proves a good token and remembers it until it ends", async () => {
  const jwt = await verifier([first]);
  const token = await sign(first);
  const found = await jwt.verify(token);
  assert.ok("user" in found);
  assert.equal(found.user, "ann");
  assert.equal(found.rolesHeader, "a,b");
  assert.equal(found.expiresAt, (now + 90) * 1000);
  assert.equal(jwt.recall(token), found);
  assert.equal(jwt.recall(`${token}x`), undefined);
});

test("JwtVerifier refuses a wrong issuer, audience, time, key, algorithm or subject", async () => {
  const jwt = await verifier([first]);
  const claims: [JWTPayload, RegExp][] = [
    [{ iss: "https://other" }, /claim iss/],
    [{ aud: "other" }, /claim aud/],
    [{ exp: now - 31 }, /expired/],
    [{ exp: undefined as unknown as number }, /claim exp/],
    [{ nbf: now + 31 }, /claim nbf/],
    [{ sub: "a\r\nx-user-id: root" }, /user id/],
    [{ roles: ["a,admin"] }, /role/],
    [{ sub: undefined as unknown as string }, /claim "sub"/],
  ];
  for (const [claim, reason] of claims) {
    const found = await jwt.verify(await sign(first, claim));
    assert.ok("reason" in found, JSON.stringify(claim));
    assert.match(found.reason, reason);
  }
  const forged = await sign({ ...second, kid: "first" });
  assert.deepEqual(await jwt.verify(forged), { reason: "the signature is wrong", unavailable: false });
  const none = new UnsecuredJWT({ sub: "ann", aud: "mesh", exp: now + 60 }).setIssuer(issuer).encode();
  assert.ok("reason" in (await jwt.verify(none)));
  const hmac = await new SignJWT({ sub: "ann", iss: issuer, aud: "mesh", exp: now + 60 })
    .setProtectedHeader({ alg: "HS256", kid: "first" })
    .sign(new TextEncoder().encode(JSON.stringify(first.jwk).padEnd(64)));
  assert.ok("reason" in (await jwt.verify(hmac)));
  assert.ok("user" in (await jwt.verify(await sign(first, { exp: now - 29 }))), "within the skew");
});

test("JwtVerifier finds roles in other claims, as a list or as text", async () => {
  const nested = await verifier([first], { rolesClaim: "realm_access.roles" });
  const found = await nested.verify(await sign(first, { realm_access: { roles: ["x"] } }));
  assert.deepEqual("roles" in found && found.roles, ["x"]);
  const text = await verifier([first], { rolesClaim: "scope" });
  const scoped = await text.verify(await sign(first, { scope: "read write" }));
  assert.deepEqual("roles" in scoped && scoped.roles, ["read", "write"]);
});

test("JwtVerifier refuses algorithms with shared secrets and none in its options", () => {
  for (const algorithm of ["none", "HS256", "RS1"]) {
    assert.throws(
      () => new JwtVerifier({ jwks: "x", issuer, audience: "a", algorithms: [algorithm] }, clock, log),
      /is not accepted/,
    );
  }
});

test("KeySet reads a URL again for an unknown key, keeps keys when it fails, and forgets proofs of removed ones", async (context) => {
  let keys: Key[] = [first];
  let status = 200;
  let reads = 0;
  const server = createServer((_request, response) => {
    reads++;
    response.writeHead(status).end(JSON.stringify({ keys: keys.map((key) => key.jwk) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  const jwt = new JwtVerifier({ jwks: url, issuer, audience: "mesh", refreshSeconds: 100_000 }, clock, log);
  await jwt.keys.start();
  context.after(() => jwt.keys.stop());
  const old = await sign(first);
  assert.ok("user" in (await jwt.verify(old)));
  keys = [second];
  const rotated = await sign(second, { exp: now + 600 });
  assert.ok("reason" in (await jwt.verify(rotated)), "within the cooldown nothing is fetched");
  assert.equal(reads, 1);
  clock.advance(6000);
  assert.ok("user" in (await jwt.verify(rotated)));
  assert.equal(jwt.recall(old), undefined, "its key is gone");
  status = 500;
  clock.advance(6000);
  assert.ok("reason" in (await jwt.verify(old)));
  assert.ok("user" in (await jwt.verify(rotated)), "the known keys stay");
  assert.equal(jwt.keys.failures, 1);
});

test("KeySet that was never read makes a token unjudgeable, not wrong", async () => {
  const jwt = new JwtVerifier({ jwks: "http://127.0.0.1:1/none", issuer, audience: "mesh" }, clock, log);
  await jwt.keys.start();
  assert.deepEqual(await jwt.verify(await sign(first)), {
    reason: "there are no keys yet",
    unavailable: true,
  });
  jwt.keys.stop();
  await assert.rejects(
    new JwtVerifier({ jwks: join(folder, "no.json"), issuer, audience: "a" }, clock, log).keys.start(),
    /Cannot load the key set/,
  );
});
