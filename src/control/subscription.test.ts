import assert from "node:assert/strict";
import { test } from "node:test";
import type { Resource } from "./resource.ts";
import { Subscription } from "./subscription.ts";

function resources(...entries: [name: string, version: string][]): Map<string, Resource> {
  return new Map(
    entries.map(([name, version]) => [
      name,
      { type: "envoy.config.cluster.v3.Cluster", name, version, bytes: new Uint8Array() },
    ]),
  );
}

const first = (names: string[] = []) => ({
  versionInfo: "",
  responseNonce: "",
  resourceNames: names,
  error: undefined,
});
const ack = (version: string, nonce: string, names: string[] = []) => ({
  versionInfo: version,
  responseNonce: nonce,
  resourceNames: names,
  error: undefined,
});

test("Subscription answers a wildcard once per content and not after an ACK", () => {
  const subscription = new Subscription(true);
  const have = resources(["a", "1"], ["b", "1"]);
  assert.equal(subscription.receive(first()).kind, "subscribe");
  const response = subscription.respond(have)!;
  assert.deepEqual(
    response.resources.map((r) => r.name),
    ["a", "b"],
  );
  assert.equal(subscription.receive(ack(response.version, response.nonce)).kind, "ack");
  assert.equal(subscription.respond(have), undefined);
  assert.notEqual(subscription.respond(resources(["a", "2"], ["b", "1"])), undefined);
});

test("Subscription answers new names of an ACK, and only those that exist", () => {
  const subscription = new Subscription(false);
  const have = resources(["a", "1"]);
  subscription.receive(first(["a"]));
  const response = subscription.respond(have)!;
  subscription.receive(ack(response.version, response.nonce, ["a", "b"]));
  assert.deepEqual(subscription.missing(have), ["b"]);
  const again = subscription.respond(have)!;
  assert.deepEqual(
    again.resources.map((r) => r.name),
    ["a"],
    "re-sent: the client may have dropped it",
  );
  subscription.receive(ack(again.version, again.nonce, ["a", "b"]));
  assert.deepEqual(
    subscription.respond(resources(["a", "1"], ["b", "1"]))!.resources.map((r) => r.name),
    ["a", "b"],
  );
});

test("Subscription keeps silent on a NACK until the content changes", () => {
  const subscription = new Subscription(true);
  const have = resources(["a", "bad"]);
  subscription.receive(first());
  const response = subscription.respond(have)!;
  const verdict = subscription.receive({ ...ack("", response.nonce), error: "no" });
  assert.deepEqual(verdict, { kind: "nack", error: "no" });
  assert.equal(subscription.respond(have), undefined);
  assert.equal(subscription.lastError, "no");
  assert.notEqual(subscription.respond(resources(["a", "good"])), undefined);
});

test("Subscription ignores answers to older responses", () => {
  const subscription = new Subscription(true);
  subscription.receive(first());
  const one = subscription.respond(resources(["a", "1"]))!;
  subscription.respond(resources(["a", "2"]));
  assert.equal(subscription.receive(ack(one.version, one.nonce)).kind, "stale");
});

test("Subscription answers a wildcard with nothing to send by an empty set", () => {
  const subscription = new Subscription(true);
  subscription.receive(first());
  assert.deepEqual(subscription.respond(resources())!.resources, []);
});

test("Subscription answers a client that comes back with the version it has", () => {
  const subscription = new Subscription(true);
  const have = resources(["a", "1"]);
  subscription.receive(first());
  const { version } = subscription.respond(have)!;
  const next = new Subscription(true);
  next.receive({ ...first(), versionInfo: version });
  assert.equal(next.respond(have)!.version, version);
});
