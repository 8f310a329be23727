import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { it } from "node:test";
import { makeCertificate } from "../../testing/certs.ts";
import { CertificateFacts } from "./certificate-facts.ts";
import { checkPeer, dnsNameMatches } from "./check-peer.ts";
import { subjectAltNames } from "./subject-alt-names.ts";

const names = ["DNS:a.example", "URI:spiffe://td/x, DNS:evil", "EMAIL:a@b.example", "IP:192.0.2.7"];

it("subjectAltNames() reads names as they are, whatever they contain", () => {
  const { cert } = makeCertificate({ name: "x", names });
  assert.deepEqual(
    subjectAltNames(new X509Certificate(cert)).map(({ type, value }) => `${type} ${value}`),
    ["dns a.example", "uri spiffe://td/x, DNS:evil", "email a@b.example", "ip 192.0.2.7"],
  );
  assert.deepEqual(subjectAltNames(new X509Certificate(makeCertificate({ name: "x" }).cert)), []);
});

it("dnsNameMatches() takes wildcards for one whole label only", () => {
  assert.ok(dnsNameMatches("A.example", "a.Example"));
  assert.ok(dnsNameMatches("*.example", "a.example"));
  for (const [pattern, name] of [
    ["*.example", "example"],
    ["*.example", "a.b.example"],
    ["*.example", ".example"],
    ["w*.example", "www.example"],
    ["a.example", "b.example"],
  ] as const)
    assert.equal(dnsNameMatches(pattern, name), false, `${pattern} ${name}`);
});

it("checkPeer() accepts a certificate that one of hashes and pins holds", () => {
  const facts = new CertificateFacts(new X509Certificate(makeCertificate({ name: "x", names }).cert));
  const policy = { verifyChain: false, nameMatchers: [], hashes: ["00".repeat(32)], pins: [] as string[] };
  assert.equal(checkPeer(facts, "CERT_HAS_EXPIRED", 0, policy)?.stat, "fail_verify_cert_hash");
  assert.equal(checkPeer(facts, "", 0, { ...policy, pins: [facts.spkiPin] }), undefined);
  assert.equal(checkPeer(facts, "", 0, { ...policy, hashes: [facts.fingerprint256] }), undefined);
  const chain = { ...policy, hashes: [], verifyChain: true };
  assert.match(checkPeer(facts, "CERT_HAS_EXPIRED", 0, chain)!.reason, /depth 0: certificate has expired/);
});
