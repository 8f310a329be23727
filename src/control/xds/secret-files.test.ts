import assert from "node:assert/strict";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decode } from "../../proto/registry.ts";
import { makeCertificate } from "../../testing/certs.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import type { Resource } from "./resource.ts";
import { followSecrets } from "./secret-files.ts";

test("followSecrets() reads pairs and authorities, follows them, and keeps what no longer fits together", async (context) => {
  const folder = tempDir("secrets");
  const write = (name: string, content: string) => {
    writeFileSync(join(folder, `.${name}`), content);
    renameSync(join(folder, `.${name}`), join(folder, name));
  };
  const ca = makeCertificate({ name: "ca", ca: true });
  const issue = () => makeCertificate({ name: "edge", issuer: ca });
  const [first, second] = [issue(), issue()];
  write("edge.crt", first.cert);
  write("edge.key", first.key);
  write("mesh.ca.crt", ca.cert);
  write("README", "not a secret");
  const log: string[] = [];
  const note = (text: string) => void log.push(text);
  let secrets = new Map<string, Resource>();
  const stopping = new AbortController();
  const following = followSecrets(folder, { info: note, warn: note }, stopping.signal, (list) => {
    secrets = new Map(list.map((each) => [each.name, each]));
  });
  context.after(async () => {
    stopping.abort();
    await following;
  });
  const keyOf = (name: string): string => {
    const { type } = decode("envoy.extensions.transport_sockets.tls.v3.Secret", secrets.get(name)!.bytes);
    assert.equal(type.case, "tlsCertificate");
    const specifier = type.case === "tlsCertificate" ? type.value.privateKey?.specifier : undefined;
    return specifier?.case === "inlineString" ? specifier.value : "";
  };
  await waitUntil("both are read", () => secrets.size === 2);
  assert.deepEqual([...secrets.keys()].sort(), ["edge", "mesh.ca"]);
  assert.equal(keyOf("edge"), first.key);

  write("edge.crt", second.cert);
  await waitUntil("the half is told", () =>
    log.some((line) => /secret edge .*the key is not that of the certificate; keeping/.test(line)),
  );
  assert.equal(keyOf("edge"), first.key);
  write("edge.key", second.key);
  await waitUntil("the new pair is taken", () => keyOf("edge") === second.key);
  rmSync(join(folder, "mesh.ca.crt"));
  await waitUntil("what is gone goes", () => !secrets.has("mesh.ca"));
});
