import assert from "node:assert/strict";
import { test } from "node:test";
import { AdsSession } from "./ads-session.ts";
import type { DiscoveryRequest } from "./discovery-request.ts";
import type { DiscoveryProtocol } from "./discovery-response.ts";
import { Interest } from "./interest.ts";
import type { ResourceChanges } from "./resource-changes.ts";
import { ResourceSet } from "./resource-set.ts";
import {
  CLUSTER,
  ENDPOINT,
  RESOURCE_TYPES,
  ROUTE,
  VIRTUAL_HOST,
  type ResourceTypeName,
} from "./resource-type.ts";
import type { Snapshot } from "./snapshot.ts";

const LISTENER = "envoy.config.listener.v3.Listener";
const SHORT: Record<string, ResourceTypeName> = {
  CDS: CLUSTER,
  EDS: ENDPOINT,
  LDS: LISTENER,
  RDS: ROUTE,
  VHDS: VIRTUAL_HOST,
};
const shortOf = (type: ResourceTypeName) => Object.keys(SHORT).find((key) => SHORT[key] === type)!;

/** Resources from `{ CDS: "a=1 b=2" }`: names and versions; "a=1!500" lives for 500 ms. */
function snapshot(types: Partial<Record<keyof typeof SHORT, string>>): Snapshot {
  let shortest: number | undefined;
  const sets = new Map(
    RESOURCE_TYPES.map((type) => {
      const entries = (types[shortOf(type)] ?? "").split(" ").filter((each) => each !== "");
      const resources = entries.map((entry) => {
        const [, name, version, ttl] = /^(.+)=(\w+)(?:!(\d+))?$/.exec(entry)!;
        if (ttl !== undefined) shortest = Math.min(Number(ttl), shortest ?? Number(ttl));
        const rest = ttl === undefined ? {} : { ttl: Number(ttl) };
        return { type, name: name!, version: version!, bytes: new Uint8Array(), ...rest };
      });
      return [type, ResourceSet.of(type, resources)];
    }),
  );
  return { view: "test", sets, ttl: shortest };
}

/** A session and a client that answers by hand. */
class TestStream {
  readonly sent: string[] = [];
  readonly missing: string[] = [];
  readonly nacks: string[] = [];
  readonly session: AdsSession;
  readonly #names = new Map<string, string>();
  readonly #nonces = new Map<ResourceTypeName, string>();
  readonly #protocol: DiscoveryProtocol;
  #nonce = 0;
  now = 0;

  constructor(protocol: DiscoveryProtocol) {
    this.#protocol = protocol;
    const node = {
      id: "n",
      cluster: "",
      region: "",
      zone: "",
      userAgent: "",
      peer: "",
      metadata: {},
      weft: {},
    };
    this.session = new AdsSession(node, protocol, 0, {
      send: (response) => this.#note(response),
      onNack: (type, _version, error) => void this.nacks.push(`${shortOf(type)} ${error}`),
      onMissing: (type, names) => void this.missing.push(`${shortOf(type)} ${names.join(" ")}`),
    });
  }

  /** Takes what was sent so far. */
  take(): string[] {
    return this.sent.splice(0);
  }

  subscribe(type: string, names = ""): void {
    this.#names.set(type, names);
    this.#request(type, names, {});
  }

  ack(...types: string[]): void {
    for (const type of types) this.#answer(type, undefined);
  }

  nack(type: string, error: string): void {
    this.#answer(type, error);
  }

  /** Subscribes to everything that there is and acknowledges it. */
  sync(content: Snapshot): void {
    this.session.push(content, this.now);
    for (const type of ["CDS", "EDS", "LDS", "RDS"]) {
      const names = content.sets.get(SHORT[type]!)!.resources.map(({ name }) => name);
      this.subscribe(type, type === "EDS" || type === "RDS" ? names.join(" ") : "");
      this.ack(type);
    }
    this.take();
  }

  #answer(type: string, error: string | undefined): void {
    const names = this.#protocol === "sotw" ? (this.#names.get(type) ?? "") : "";
    this.#request(type, names, { responseNonce: this.#nonces.get(SHORT[type]!) ?? "", error });
  }

  #request(type: string, names: string, rest: Partial<DiscoveryRequest>): void {
    const request: DiscoveryRequest = {
      typeUrl: "",
      versionInfo: "",
      responseNonce: "",
      error: undefined,
      subscribe: Interest.of(names.split(" ").filter((name) => name !== "")),
      unsubscribe: Interest.none,
      known: new Map(),
      node: () => undefined,
      ...rest,
    };
    this.session.receive(SHORT[type]!, request, this.now);
  }

  #note(response: ResourceChanges): string {
    const nonce = String(++this.#nonce);
    this.#nonces.set(response.type, nonce);
    const removed = this.#protocol === "delta" ? response.removed.map((name) => `-${name}`) : [];
    const told = [...response.resources.map(({ name, version }) => `${name}=${version}`), ...removed];
    this.sent.push(`${shortOf(response.type)}${response.heartbeat ? " beat" : ""} ${told.join(" ")}`.trim());
    return nonce;
  }
}

for (const protocol of ["sotw", "delta"] as const) {
  const all = (whole: string, changed: string) => (protocol === "sotw" ? whole : changed);

  test(`${protocol}: routes wait until the node has accepted the clusters, whose endpoints do not wait`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1", EDS: "a=1 b=1", LDS: "l=1", RDS: "r=1" }));
    stream.session.push(snapshot({ CDS: "a=1 b=1", EDS: "a=1 b=1", LDS: "l=2", RDS: "r=2" }), 0);
    assert.deepEqual(stream.take(), [all("CDS a=1 b=1", "CDS b=1")]);
    stream.subscribe("EDS", "a b");
    stream.ack("EDS");
    assert.ok(stream.take().every((each) => each.startsWith("EDS")));
    stream.ack("CDS");
    assert.deepEqual(stream.take(), ["LDS l=2", "RDS r=2"]);
  });

  test(`${protocol}: a node that never accepts its clusters gets its routes in the end`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1", EDS: "a=1", LDS: "l=1", RDS: "r=1" }));
    stream.session.push(snapshot({ CDS: "a=1 b=1", EDS: "a=1", LDS: "l=1", RDS: "r=2" }), 0);
    stream.take();
    stream.session.tick(19_000);
    assert.deepEqual(stream.take(), []);
    stream.session.tick(20_000);
    assert.deepEqual(stream.take(), ["RDS r=2"]);
  });

  test(`${protocol}: a cluster goes only when the node has accepted routes that do not name it`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1 b=1", EDS: "a=1 b=1", LDS: "l=1", RDS: "r=1" }));
    stream.session.push(snapshot({ CDS: "a=1", EDS: "a=1", LDS: "l=1", RDS: "r=2" }), 0);
    assert.deepEqual(stream.take(), ["RDS r=2"]);
    stream.ack("RDS");
    assert.deepEqual(stream.take(), protocol === "sotw" ? ["CDS a=1"] : ["CDS -b", "EDS -b"]);
  });

  test(`${protocol}: endpoints follow a cluster that changed although they are the same`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1 b=1", EDS: "a=1 b=1", LDS: "l=1", RDS: "r=1" }));
    stream.session.push(snapshot({ CDS: "a=1 b=2", EDS: "a=1 b=1", LDS: "l=1", RDS: "r=1" }), 0);
    assert.deepEqual(stream.take(), [all("CDS a=1 b=2", "CDS b=2"), "EDS b=1"]);
  });

  test(`${protocol}: what a node rejects is withheld until it changes, all else goes on`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1 b=1", EDS: "", LDS: "l=1", RDS: "r=1" }));
    stream.session.push(snapshot({ CDS: "a=1 b=bad c=1", LDS: "l=1", RDS: "r=1" }), 0);
    stream.take();
    stream.nack("CDS", "Error adding/updating cluster(s) b: no such thing");
    assert.deepEqual(stream.take(), [all("CDS a=1 b=1 c=1", "CDS c=1")]);
    stream.ack("CDS");
    const [status] = stream.session.status;
    assert.equal(status!.state, "nacked");
    assert.deepEqual(status!.withheld, [
      { name: "b", version: "bad", reason: "Error adding/updating cluster(s) b: no such thing", kept: "1" },
    ]);
    stream.session.push(snapshot({ CDS: "a=2 b=bad c=1", LDS: "l=1", RDS: "r=1" }), 0);
    assert.deepEqual(stream.take(), [all("CDS a=2 b=1 c=1", "CDS a=2")]);
    stream.ack("CDS");
    stream.session.push(snapshot({ CDS: "a=2 b=good c=1", LDS: "l=1", RDS: "r=1" }), 0);
    assert.deepEqual(stream.take(), [all("CDS a=2 b=good c=1", "CDS b=good")]);
    stream.ack("CDS");
    assert.equal(stream.session.status[0]!.state, "synced");
    assert.deepEqual(stream.nacks, ["CDS Error adding/updating cluster(s) b: no such thing"]);
  });

  test(`${protocol}: a rejection that names nothing withholds all that was new, and what was before is told again`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1 b=1", LDS: "l=1", RDS: "r=1" }));
    stream.session.push(snapshot({ CDS: "a=2 b=2 c=1", LDS: "l=1", RDS: "r=1" }), 0);
    stream.take();
    stream.nack("CDS", "no");
    assert.deepEqual(stream.take(), ["CDS a=1 b=1"]);
    stream.nack("CDS", "no");
    assert.deepEqual(stream.take(), [], "not again and again");
  });

  test(`${protocol}: a first response that is rejected is repeated without what was rejected`, () => {
    const stream = new TestStream(protocol);
    stream.session.push(snapshot({ CDS: "a=1 b=bad" }), 0);
    stream.subscribe("CDS");
    stream.take();
    stream.nack("CDS", "cluster 'b' is bad");
    assert.deepEqual(stream.take(), ["CDS a=1"]);
    stream.ack("CDS");
    const lone = new TestStream(protocol);
    lone.session.push(snapshot({ CDS: "b=bad" }), 0);
    lone.subscribe("CDS");
    lone.take();
    lone.nack("CDS", "cluster 'b' is bad");
    assert.deepEqual(lone.take(), [], "an empty answer would say that there are none");
  });

  test(`${protocol}: times to live are renewed`, () => {
    const stream = new TestStream(protocol);
    stream.sync(snapshot({ CDS: "a=1", EDS: "a=1!3000 b=1", LDS: "l=1", RDS: "r=1" }));
    stream.session.tick(100);
    assert.deepEqual(stream.take(), ["EDS beat a=1"]);
    stream.session.tick(900);
    stream.ack("EDS");
    assert.deepEqual(stream.take(), []);
    stream.session.tick(1200);
    assert.deepEqual(stream.take(), ["EDS beat a=1"]);
  });
}

test("names that nobody has are told once", () => {
  const stream = new TestStream("sotw");
  stream.session.push(snapshot({ EDS: "a=1" }), 0);
  stream.subscribe("EDS", "a x");
  stream.ack("EDS");
  assert.deepEqual(stream.missing, ["EDS x"]);
});

test("virtual hosts are sent again when their route configuration changed", () => {
  const stream = new TestStream("delta");
  stream.sync(snapshot({ CDS: "a=1", EDS: "a=1", LDS: "l=1", RDS: "r=1", VHDS: "r/x=1 other/y=1" }));
  stream.subscribe("VHDS", "r/x other/y");
  stream.ack("VHDS");
  stream.take();
  stream.session.push(
    snapshot({ CDS: "a=1", EDS: "a=1", LDS: "l=1", RDS: "r=2", VHDS: "r/x=1 other/y=1" }),
    0,
  );
  assert.deepEqual(stream.take(), ["RDS r=2", "VHDS r/x=1"]);
});
