import assert from "node:assert/strict";
import { test } from "node:test";
import type { DiscoveryRequest } from "./discovery-request.ts";
import { Interest } from "./interest.ts";
import type { ResourceChanges } from "./resource-changes.ts";
import { ResourceSet } from "./resource-set.ts";
import { CLUSTER, ENDPOINT, SECRET, type ResourceTypeName } from "./resource-type.ts";
import { Subscription } from "./subscription.ts";

/** Resources from "a=1 b=2": names and versions. */
function resources(text = "", type: ResourceTypeName = CLUSTER): ResourceSet {
  const entries = text.split(" ").filter((each) => each !== "");
  return ResourceSet.of(
    type,
    entries.map((entry) => {
      const [name, version] = entry.split("=") as [string, string];
      return { type, name, version, bytes: new Uint8Array() };
    }),
  );
}

/** A client of one subscription. */
class TestClient {
  readonly subscription: Subscription;
  last: ResourceChanges | undefined;
  #nonce = 0;

  constructor(protocol: "sotw" | "delta", type: ResourceTypeName) {
    this.subscription = new Subscription(type, protocol);
  }

  /** Sends a request; names with "-" before them are given up. */
  ask(names = "", rest: Partial<DiscoveryRequest> = {}): string {
    const list = names.split(" ").filter((each) => each !== "");
    const verdict = this.subscription.receive({
      typeUrl: "",
      versionInfo: "",
      responseNonce: "",
      error: undefined,
      subscribe: Interest.of(list.filter((each) => !each.startsWith("-"))),
      unsubscribe: Interest.of(list.filter((each) => each.startsWith("-")).map((each) => each.slice(1))),
      known: new Map(),
      node: () => undefined,
      ...rest,
    });
    return verdict.kind;
  }

  ack(names = ""): string {
    return this.ask(names, {
      responseNonce: this.subscription.lastNonce,
      versionInfo: this.last?.version ?? "",
    });
  }

  nack(names = ""): string {
    return this.ask(names, { responseNonce: this.subscription.lastNonce, error: "no" });
  }

  /** What it is sent: "a=1 b=2 -gone ?absent"; undefined for nothing. */
  told(available: ResourceSet): string | undefined {
    const response = this.subscription.respond(available);
    if (response === undefined) return undefined;
    this.last = response;
    this.subscription.sentAs(String(++this.#nonce));
    return [
      ...response.resources.map(({ name, version }) => `${name}=${version}`),
      ...response.removed.map((name) => `-${name}`),
      ...response.absent.map((name) => `?${name}`),
    ].join(" ");
  }
}

const sotw = (type: ResourceTypeName = CLUSTER) => new TestClient("sotw", type);
const delta = (type: ResourceTypeName = CLUSTER) => new TestClient("delta", type);
const endpoints = (text: string) => resources(text, ENDPOINT);

test("state of the world: a wildcard is answered once per content and not after an ACK", () => {
  const client = sotw();
  const have = resources("a=1 b=1");
  assert.equal(client.ask(), "subscribe");
  assert.equal(client.told(have), "a=1 b=1");
  assert.equal(client.ack(), "ack");
  assert.equal(client.told(have), undefined);
  assert.equal(client.told(resources("a=2 b=1")), "a=2 b=1", "all there is");
});

test("state of the world: new names are answered, those that come to be later, too", () => {
  const client = sotw(ENDPOINT);
  client.ask("a");
  assert.equal(client.told(endpoints("a=1 x=1")), "a=1");
  client.ack("a b");
  assert.equal(
    client.told(endpoints("a=1 x=1")),
    undefined,
    "of this type an answer never tells what is not",
  );
  assert.equal(client.told(endpoints("a=1 b=1 x=2")), "b=1");
  client.ack("a b c x");
  assert.equal(client.told(endpoints("a=1 b=1 c=1 x=2")), "c=1 x=2");
});

test("state of the world: answers to older responses are ignored", () => {
  const client = sotw();
  client.ask();
  client.told(resources("a=1"));
  client.ack();
  client.told(resources("a=2"));
  assert.equal(client.ask("", { responseNonce: "1" }), "stale");
});

test("a client that answers late is sent only the newest content", () => {
  for (const client of [sotw(), delta()]) {
    client.ask();
    client.told(resources("a=1"));
    assert.equal(client.told(resources("a=2")), undefined);
    assert.equal(client.subscription.state, "pending");
    client.ack();
    assert.equal(client.told(resources("a=3 b=1")), "a=3 b=1");
  }
});

test("state of the world: from everything to names, to nothing and back to everything", () => {
  const client = sotw();
  const have = resources("a=1 b=1");
  client.ask();
  client.told(have);
  client.ack("a");
  assert.equal(client.told(have), "a=1");
  client.ack("");
  assert.equal(client.told(have), undefined, "an empty list now takes everything back");
  client.ack("*");
  assert.equal(client.told(have), "a=1 b=1");
  client.ack("* a");
  client.told(have);
  client.ack("");
  assert.equal(client.told(resources("c=1")), undefined);
});

test("state of the world: '*' is answered even when all names were subscribed before", () => {
  const client = sotw();
  client.ask("a");
  client.told(resources("a=1"));
  client.ack("*");
  assert.equal(client.told(resources("a=1")), "a=1");
});

test("nothing is said when names are only taken back", () => {
  const client = sotw(ENDPOINT);
  client.ask("a b");
  client.told(endpoints("a=1 b=1"));
  client.ack("a b");
  client.ack("a");
  assert.equal(client.told(endpoints("a=1 b=1")), undefined);
  assert.equal(client.subscription.state, "synced");
  assert.equal(client.told(endpoints("a=2 b=2")), "a=2");
});

test("state of the world: an empty set tells that a named cluster is gone, or that there are none", () => {
  const client = sotw();
  client.ask("a");
  client.told(resources("a=1"));
  client.ack("a");
  assert.equal(client.told(resources()), "?a", "which this protocol says by an empty set");
  const fresh = sotw();
  fresh.ask();
  assert.equal(fresh.told(resources()), "");
});

test("state of the world: other names after a NACK are not taken for an ACK", () => {
  const client = sotw(ENDPOINT);
  client.ask("a");
  client.told(endpoints("a=1"));
  assert.equal(client.nack("a"), "nack");
  assert.equal(client.ask("a b", { responseNonce: "1" }), "subscribe");
  assert.equal(client.subscription.state, "nacked");
});

test("state of the world: a client that comes back and rejects what it is sent is not told to drop what it has", () => {
  const client = sotw();
  client.ask("", { versionInfo: "old" });
  const have = resources("a=bad");
  client.told(have);
  client.nack();
  assert.equal(client.told(have), undefined, "silent until the content changes");
  assert.equal(client.told(resources("a=good")), "a=good");
});

test("incremental: changes and removals alone are told", () => {
  const client = delta();
  client.ask();
  assert.equal(client.told(resources("a=1 b=1 c=1")), "a=1 b=1 c=1");
  assert.equal(client.ack(), "ack");
  assert.equal(client.told(resources("a=1 b=2 d=1")), "b=2 d=1 -c");
  client.ack();
  assert.equal(client.told(resources("a=1 b=2 d=1")), undefined);
});

test("incremental: a wildcard without content is answered, so that the client need not wait", () => {
  const client = delta();
  client.ask();
  assert.equal(client.told(resources()), "");
});

for (const protocol of ["sotw", "delta"] as const) {
  test(`${protocol}: a wildcard is not told the secrets, whose names are`, () => {
    const client = new TestClient(protocol, SECRET);
    const have = resources("a=1 b=1", SECRET);
    client.ask("*");
    const first = client.told(have);
    assert.equal(first ?? "", "");
    if (first !== undefined) client.ack();
    client.ask("* a");
    assert.equal(client.told(have), "a=1");
  });
}

test("incremental: who asks for nothing of a type without wildcard is told so", () => {
  const client = delta(ENDPOINT);
  client.ask();
  assert.equal(client.told(endpoints("a=1")), "");
  client.ack();
  assert.equal(client.told(endpoints("a=2")), undefined);
  client.ask("a");
  assert.equal(client.told(endpoints("a=2")), "a=2");
});

test("incremental: names that are not there are told as absent, and come when they are", () => {
  const client = delta(ENDPOINT);
  client.ask("a b");
  assert.equal(client.told(endpoints("a=1 c=1")), "a=1 ?b");
  client.ack();
  assert.equal(client.told(endpoints("a=1 c=2")), undefined, "c is not asked for");
  assert.equal(client.told(endpoints("a=1 b=1 c=2")), "b=1");
  client.ack();
  assert.equal(client.told(endpoints("b=1")), "-a");
});

test("incremental: what is subscribed again is sent again", () => {
  const client = delta(ENDPOINT);
  const have = endpoints("a=1 b=1");
  client.ask("a");
  client.told(have);
  client.ack();
  client.ask("a b");
  assert.equal(client.told(have), "a=1 b=1");
});

test("incremental: a client that comes back is sent only what differs", () => {
  const client = delta();
  client.ask("", {
    known: new Map([
      ["a", "1"],
      ["b", "1"],
      ["gone", "1"],
    ]),
  });
  assert.equal(client.told(resources("a=1 b=2 c=1")), "b=2 c=1 -gone");
  const same = delta(ENDPOINT);
  same.ask("a", { known: new Map([["a", "1"]]) });
  assert.equal(same.told(endpoints("a=1 b=1")), undefined);
  assert.equal(same.subscription.state, "synced");
  assert.equal(same.told(endpoints("a=2 b=1")), "a=2");
});

test("incremental: a name that is given up beside a wildcard is told as what it is", () => {
  const client = delta();
  const have = resources("a=1 b=1");
  client.ask();
  client.told(have);
  client.ack();
  client.ask("a x");
  assert.equal(client.told(have), "a=1 ?x");
  client.ack();
  client.ask("-a -x");
  assert.equal(client.told(have), "a=1 ?x");
  client.ack();
  client.ask("-*");
  assert.equal(client.told(resources("a=2 b=2")), undefined, "nothing is asked for any more");
  client.ask("b");
  assert.equal(client.told(resources("a=2 b=2")), "b=2");
});

test("incremental: a stale nonce does not keep a subscription from being followed", () => {
  const client = delta(ENDPOINT);
  client.ask("a");
  client.told(endpoints("a=1 b=1"));
  client.ack();
  client.told(endpoints("a=2 b=1"));
  assert.equal(client.ask("b", { responseNonce: "1" }), "stale");
  client.ack();
  assert.equal(client.told(endpoints("a=2 b=1")), "b=1");
});

test("again() has a resource sent once more", () => {
  for (const client of [sotw(ENDPOINT), delta(ENDPOINT)]) {
    const have = endpoints("a=1 b=1");
    client.ask("a b");
    client.told(have);
    client.ack("a b");
    client.told(have);
    client.ack("a b");
    client.subscription.again(["b", "other"]);
    assert.match(client.told(have)!, /b=1$/);
  }
});

test("what clients share is worked out once", () => {
  const [one, two] = [delta(ENDPOINT), delta(ENDPOINT)];
  const [before, after] = [endpoints("a=1 b=1 c=1"), endpoints("a=1 b=2 c=1")];
  for (const client of [one, two]) {
    client.ask("a b");
    client.told(before);
    client.ack();
    client.told(after);
  }
  assert.equal(one.last, two.last);
  assert.equal(one.last!.encode("delta", ""), two.last!.encode("delta", ""));
  assert.notEqual(one.last!.encode("delta", one.last!.encode("delta", "").nonce).nonce, "");
});
