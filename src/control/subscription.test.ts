import assert from "node:assert/strict";
import { test } from "node:test";
import { ResourceSet } from "./resource-set.ts";
import { Subscription, type TypeResponse } from "./subscription.ts";

function resources(...entries: [name: string, version: string][]): ResourceSet {
  const type = "envoy.config.cluster.v3.Cluster";
  return new ResourceSet(
    type,
    entries.map(([name, version]) => ({ type, name, version, bytes: new Uint8Array() })),
  );
}

const names = (response: TypeResponse | undefined) =>
  response && response.resources.resources.map((each) => each.name);

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
  assert.deepEqual(names(response), ["a", "b"]);
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
  assert.deepEqual(names(again), ["a"], "re-sent: the client may have dropped it");
  subscription.receive(ack(again.version, again.nonce, ["a", "b"]));
  assert.deepEqual(names(subscription.respond(resources(["a", "1"], ["b", "1"]))), ["b"], "a did not change");
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
  subscription.receive(ack(one.version, one.nonce));
  subscription.respond(resources(["a", "2"]));
  assert.equal(subscription.receive(ack(one.version, one.nonce)).kind, "stale");
});

test("Subscription sends only the newest content to a client that answers late", () => {
  const subscription = new Subscription(true);
  subscription.receive(first());
  const one = subscription.respond(resources(["a", "1"]))!;
  assert.equal(subscription.respond(resources(["a", "2"])), undefined);
  assert.equal(subscription.state, "pending");
  subscription.receive(ack(one.version, one.nonce));
  const two = subscription.respond(resources(["a", "3"]))!;
  assert.equal(two.resources.get("a")!.version, "3");
});

test("Subscription goes from everything to names, to nothing and back to everything", () => {
  const subscription = new Subscription(true);
  const have = resources(["a", "1"], ["b", "1"]);
  const answer = (response: TypeResponse, wanted: string[]) =>
    subscription.receive(ack(response.version, response.nonce, wanted));
  subscription.receive(first());
  let response = subscription.respond(have)!;
  answer(response, ["a"]);
  response = subscription.respond(have)!;
  assert.deepEqual(names(response), ["a"]);
  answer(response, []);
  assert.equal(subscription.respond(have), undefined, "an empty list now takes everything back");
  answer(response, ["*"]);
  response = subscription.respond(have)!;
  assert.deepEqual(names(response), ["a", "b"]);
  answer(response, ["*", "a"]);
  response = subscription.respond(have) ?? response;
  answer(response, []);
  assert.equal(subscription.respond(resources(["c", "1"])), undefined);
});

test("Subscription answers '*' even when all names were subscribed before", () => {
  const subscription = new Subscription(true);
  const have = resources(["a", "1"]);
  subscription.receive(first(["a"]));
  const response = subscription.respond(have)!;
  subscription.receive(ack(response.version, response.nonce, ["*"]));
  assert.deepEqual(names(subscription.respond(have)), ["a"]);
});

test("Subscription says nothing when names are only taken back", () => {
  const subscription = new Subscription(false);
  const have = resources(["a", "1"], ["b", "1"]);
  subscription.receive(first(["a", "b"]));
  const response = subscription.respond(have)!;
  subscription.receive(ack(response.version, response.nonce, ["a", "b"]));
  subscription.receive(ack(response.version, response.nonce, ["a"]));
  assert.equal(subscription.respond(have), undefined);
  assert.equal(subscription.state, "synced");
  assert.deepEqual(names(subscription.respond(resources(["a", "2"], ["b", "2"]))), ["a"]);
});

test("Subscription tells by an empty set that a named listener or cluster is gone", () => {
  const subscription = new Subscription(true);
  subscription.receive(first(["a"]));
  const response = subscription.respond(resources(["a", "1"]))!;
  subscription.receive(ack(response.version, response.nonce, ["a"]));
  assert.deepEqual(names(subscription.respond(resources())), []);
});

test("Subscription sends the old content again when it returns after a NACK", () => {
  const subscription = new Subscription(false);
  subscription.receive(first(["a", "b"]));
  const good = subscription.respond(resources(["a", "1"], ["b", "1"]))!;
  subscription.receive(ack(good.version, good.nonce, ["a", "b"]));
  const bad = subscription.respond(resources(["a", "2"], ["b", "1"]))!;
  subscription.receive({ ...ack(good.version, bad.nonce, ["a", "b"]), error: "no" });
  const again = subscription.respond(resources(["a", "1"], ["b", "1"]))!;
  assert.equal(again.version, good.version);
  assert.deepEqual(names(again), ["a", "b"]);
  subscription.receive(ack(again.version, again.nonce, ["a", "b"]));
  assert.equal(subscription.state, "synced");
});

test("Subscription does not take other names after a NACK for an ACK", () => {
  const subscription = new Subscription(false);
  subscription.receive(first(["a"]));
  const bad = subscription.respond(resources(["a", "1"]))!;
  subscription.receive({ ...ack("", bad.nonce, ["a"]), error: "no" });
  assert.equal(subscription.receive(ack("", bad.nonce, ["a", "b"])).kind, "subscribe");
  assert.equal(subscription.state, "nacked");
});

test("Subscription answers a wildcard with nothing to send by an empty set", () => {
  const subscription = new Subscription(true);
  subscription.receive(first());
  assert.deepEqual(names(subscription.respond(resources())), []);
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
