import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../../base/fake-clock.ts";
import { Dns, type DnsRecord } from "../../../net/dns.ts";
import { create, type MessageInit } from "../../../proto/registry.ts";
import { MergedStats } from "../../../stats/merged-stats.ts";
import { StatStore } from "../../../stats/stat-store.ts";
import { HOST_FIELDS, HOST_WORDS, type HostSpec } from "../../link.ts";
import { HostResolver } from "./host-resolver.ts";

type Assignment = MessageInit<"envoy.config.endpoint.v3.ClusterLoadAssignment">;
type Endpoint = NonNullable<NonNullable<Assignment["endpoints"]>[number]["lbEndpoints"]>[number];

const TYPES = { STATIC: 0, STRICT_DNS: 1, LOGICAL_DNS: 2, EDS: 3 };

function endpoint(address: string, port = 80, fields: object = {}): Endpoint {
  const socketAddress = { address, portSpecifier: { case: "portValue" as const, value: port } };
  const value = { address: { address: { case: "socketAddress" as const, value: socketAddress } } };
  return { hostIdentifier: { case: "endpoint", value }, ...fields };
}

function assignment(...lbEndpoints: Endpoint[]): Assignment {
  return { clusterName: "c", endpoints: [{ lbEndpoints }] };
}

/** A resolver with name servers, time and everything it says under control. */
class Rig {
  readonly clock = new FakeClock();
  readonly events: string[] = [];
  readonly warnings: string[] = [];
  readonly states = new SharedArrayBuffer(64 * HOST_WORDS * 4);
  readonly resolver: HostResolver;
  readonly merged = new MergedStats();
  readonly stats = new StatStore((update) => this.merged.update("main", update));
  /** Answers by "name/family"; an Error is a failure. */
  answers: Record<string, readonly DnsRecord[] | Error> = {};
  queries = 0;
  hosts: readonly HostSpec[] = [];
  overprovisioning = 0;

  constructor() {
    const dns = new Dns({
      hostsFile: "/nonexistent",
      search: { domains: [], ndots: 1 },
      query: (name, family) => {
        this.queries++;
        const answer = this.answers[`${name}/${family}`];
        if (answer instanceof Error) return Promise.reject(answer);
        if (answer !== undefined) return Promise.resolve(answer);
        return Promise.reject(Object.assign(new Error("none"), { code: "ENOTFOUND" }));
      },
    });
    const none = (): void => {};
    this.resolver = new HostResolver(
      {
        hostStates: this.states,
        clock: this.clock,
        stats: this.stats,
        dns,
        random: () => 0.5,
        logger: () => ({
          trace: none,
          debug: none,
          info: none,
          warn: (message) => this.warnings.push(message),
          error: none,
        }),
      },
      {
        onHosts: (cluster, hosts, overprovisioning) => {
          this.hosts = hosts;
          this.overprovisioning = overprovisioning;
          this.events.push(`${cluster}: ${hosts.map((host) => host.address).join(" ")}`);
        },
        onInitialised: (cluster) => this.events.push(`${cluster} initialised`),
      },
    );
  }

  set(type: keyof typeof TYPES, init: MessageInit<"envoy.config.cluster.v3.Cluster"> = {}): void {
    this.resolver.setCluster(
      create("envoy.config.cluster.v3.Cluster", {
        name: "c",
        clusterDiscoveryType: { case: "type", value: TYPES[type] },
        ...init,
      }),
    );
  }

  eds(init: Assignment): void {
    this.resolver.onEds("c", create("envoy.config.endpoint.v3.ClusterLoadAssignment", init));
  }

  /** Moves time and lets promises settle. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }

  count(name: string): number {
    this.stats.flush();
    const { counters, gauges } = this.merged.snapshot();
    return counters.get(`cluster.c.${name}`) ?? gauges.get(`cluster.c.${name}`) ?? 0;
  }
}

const A: DnsRecord = { address: "10.0.0.1", ttl: 2 };
const B: DnsRecord = { address: "10.0.0.2", ttl: 30 };

describe("HostResolver with STATIC", () => {
  it("gives hosts at once, with everything that the assignment says", () => {
    const rig = new Rig();
    const loadAssignment: Assignment = {
      clusterName: "c",
      policy: { overprovisioningFactor: 120 },
      endpoints: [
        {
          locality: { region: "r", zone: "z", subZone: "s" },
          loadBalancingWeight: 7,
          priority: 1,
          lbEndpoints: [
            endpoint("::1", 81, { loadBalancingWeight: 3, healthStatus: 5, metadata: {} }),
            {
              hostIdentifier: {
                case: "endpoint",
                value: { hostname: "x", address: { address: { case: "pipe", value: { path: "/run/s" } } } },
              },
            },
          ],
        },
      ],
    };
    rig.set("STATIC", { loadAssignment });
    assert.deepEqual(rig.events, ["c: [::1]:81 /run/s", "c initialised"]);
    assert.equal(rig.overprovisioning, 120);
    assert.deepEqual(rig.hosts[0], {
      slot: 0,
      address: "[::1]:81",
      ip: "::1",
      port: 81,
      hostname: "",
      weight: 3,
      priority: 1,
      region: "r",
      zone: "z",
      subZone: "s",
      localityWeight: 7,
      health: "degraded",
      metadata: new Uint8Array(),
    });
    assert.equal(rig.hosts[1]!.ip, "");
    assert.equal(rig.hosts[1]!.hostname, "x");
    assert.equal(rig.count("membership_total"), 2);
    assert.equal(rig.count("membership_healthy"), 1);
    assert.equal(rig.count("membership_degraded"), 1);
    assert.equal(rig.count("membership_change"), 1);
    assert.equal(rig.count("update_no_rebuild"), 0);
  });
});

describe("HostResolver with EDS", () => {
  it("waits for the first assignment and reports changes only", () => {
    const rig = new Rig();
    rig.set("EDS");
    assert.deepEqual(rig.events, []);
    rig.eds(assignment(endpoint("10.0.0.1"), endpoint("10.0.0.2")));
    assert.deepEqual(rig.events.splice(0), ["c: 10.0.0.1:80 10.0.0.2:80", "c initialised"]);
    rig.eds(assignment(endpoint("10.0.0.1"), endpoint("10.0.0.2")));
    assert.deepEqual(rig.events, []);
    assert.equal(rig.count("update_no_rebuild"), 1);
    rig.eds(assignment(endpoint("10.0.0.2", 80, { healthStatus: 3 })));
    assert.deepEqual(rig.events, ["c: 10.0.0.2:80"]);
    assert.equal(rig.hosts[0]!.health, "draining");
    assert.equal(rig.hosts[0]!.slot, 1);
    assert.equal(rig.count("membership_change"), 2);
  });

  it("leaves out a bad endpoint and keeps the others", () => {
    const rig = new Rig();
    rig.set("EDS");
    rig.eds(assignment(endpoint("not-an-ip"), endpoint("10.0.0.2"), {}));
    assert.deepEqual(rig.events, ["c: 10.0.0.2:80", "c initialised"]);
    assert.match(rig.warnings.join("\n"), /cluster c: endpoint left out: malformed IP address: not-an-ip/);
    assert.match(rig.warnings.join("\n"), /Address must be set/);
  });

  it("counts an address once, whatever its priorities", () => {
    const rig = new Rig();
    rig.set("EDS");
    const endpoints = [
      { lbEndpoints: [endpoint("10.0.0.1")] },
      { priority: 1, lbEndpoints: [endpoint("10.0.0.1")] },
    ];
    rig.eds({ clusterName: "c", endpoints });
    assert.deepEqual(
      rig.hosts.map((host) => host.priority),
      [0],
    );
  });

  it("is initialised by an empty assignment", () => {
    const rig = new Rig();
    rig.set("EDS");
    rig.eds(assignment());
    assert.deepEqual(rig.events, ["c initialised"]);
  });

  it("refuses several drop categories", () => {
    const rig = new Rig();
    rig.set("EDS");
    const policy = { dropOverloads: [{ category: "a" }, { category: "b" }] };
    assert.throws(() => rig.eds({ clusterName: "c", policy }), /drop_overloads config has 2 categories/);
  });

  it("keeps a host's state for a while and until its last request is done", async () => {
    const rig = new Rig();
    const states = new Int32Array(rig.states);
    rig.set("EDS");
    rig.eds(assignment(endpoint("10.0.0.1"), endpoint("10.0.0.2")));
    states[HOST_WORDS + HOST_FIELDS.activeRequests] = 1;
    states[HOST_FIELDS.requestsTotal] = 9;
    rig.eds(assignment());
    await rig.pass(59_000);
    rig.eds(assignment(endpoint("10.0.0.1")));
    assert.equal(rig.hosts[0]!.slot, 0);
    rig.eds(assignment());
    await rig.pass(130_000);
    rig.eds(assignment(endpoint("10.0.0.3"), endpoint("10.0.0.4")));
    assert.deepEqual(
      rig.hosts.map((host) => host.slot),
      [0, 2],
    );
    assert.equal(states[HOST_FIELDS.requestsTotal], 0);
  });
});

describe("HostResolver with STRICT_DNS", () => {
  const loadAssignment = assignment(endpoint("users.test"));

  it("follows a name and asks again after five seconds", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": [A, B] };
    rig.set("STRICT_DNS", { loadAssignment });
    assert.deepEqual(rig.events, []);
    await rig.pass(0);
    assert.deepEqual(rig.events.splice(0), ["c: 10.0.0.1:80 10.0.0.2:80", "c initialised"]);
    assert.equal(rig.hosts[0]!.hostname, "users.test");
    await rig.pass(4999);
    rig.answers = { "users.test/4": [B] };
    await rig.pass(1);
    assert.deepEqual(rig.events, ["c: 10.0.0.2:80"]);
    await rig.pass(5000);
    assert.equal(rig.count("update_attempt"), 3);
    assert.equal(rig.count("update_success"), 3);
    assert.equal(rig.count("update_no_rebuild"), 1);
  });

  it("keeps what is known when a name cannot be resolved", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": [A] };
    rig.set("STRICT_DNS", { loadAssignment });
    await rig.pass(0);
    rig.answers = { "users.test/4": new Error("timeout") };
    await rig.pass(5000);
    assert.equal(rig.resolver.hosts("c")!.length, 1);
    assert.equal(rig.count("update_failure"), 1);
    assert.match(rig.warnings[0]!, /DNS resolution for users.test failed: timeout/);
  });

  it("takes the word of a name server that a name has no addresses", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": [A] };
    rig.set("STRICT_DNS", { loadAssignment });
    await rig.pass(0);
    rig.answers = {};
    await rig.pass(5000);
    assert.deepEqual(rig.resolver.hosts("c"), []);
    assert.equal(rig.count("membership_total"), 0);
    assert.equal(rig.count("membership_change"), 2);
  });

  it("is initialised by a failure, and keeps asking", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": new Error("timeout") };
    rig.set("STRICT_DNS", { loadAssignment });
    await rig.pass(0);
    assert.deepEqual(rig.events.splice(0), ["c initialised"]);
    rig.answers = { "users.test/4": [A] };
    await rig.pass(5000);
    assert.deepEqual(rig.events, ["c: 10.0.0.1:80"]);
  });

  it("honours time to live and backs off after failures when told to", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": [A, B] };
    const dnsFailureRefreshRate = { baseInterval: { seconds: 1n }, maxInterval: { seconds: 3n } };
    rig.set("STRICT_DNS", { loadAssignment, respectDnsTtl: true, dnsFailureRefreshRate, dnsLookupFamily: 1 });
    await rig.pass(0);
    await rig.pass(1999);
    assert.equal(rig.queries, 1);
    rig.answers = { "users.test/4": new Error("timeout") };
    await rig.pass(1);
    assert.equal(rig.queries, 2);
    // With a random factor of one half: 0.5 s, 1 s, 1.5 s, 1.5 s.
    for (const wait of [500, 1000, 1500, 1500]) {
      const before: number = rig.queries;
      await rig.pass(wait - 1);
      assert.equal(rig.queries, before);
      await rig.pass(1);
      assert.equal(rig.queries, before + 1);
    }
  });

  it("keeps hosts over an update of the cluster and stops with its removal", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": [A] };
    rig.set("STRICT_DNS", { loadAssignment });
    await rig.pass(0);
    rig.set("STRICT_DNS", { loadAssignment, connectTimeout: { seconds: 1n } });
    assert.equal(rig.resolver.hosts("c")!.length, 1);
    await rig.pass(0);
    assert.deepEqual(rig.events, ["c: 10.0.0.1:80", "c initialised", "c initialised"]);
    rig.resolver.removeCluster("c");
    const asked = rig.queries;
    await rig.pass(20_000);
    assert.equal(rig.queries, asked);
  });
});

describe("HostResolver with LOGICAL_DNS", () => {
  it("has one host and stays with its address for as long as that is offered", async () => {
    const rig = new Rig();
    rig.answers = { "users.test/4": [A, B] };
    rig.set("LOGICAL_DNS", { loadAssignment: assignment(endpoint("users.test")) });
    await rig.pass(0);
    assert.deepEqual(rig.events.splice(0), ["c: 10.0.0.1:80", "c initialised"]);
    rig.answers = { "users.test/4": [B, A] };
    await rig.pass(5000);
    assert.deepEqual(rig.events, []);
    rig.answers = { "users.test/4": [B] };
    await rig.pass(5000);
    assert.deepEqual(rig.events.splice(0), ["c: 10.0.0.2:80"]);
    rig.answers = {};
    await rig.pass(5000);
    assert.deepEqual(rig.events, []);
    assert.equal(rig.count("update_success"), 4);
  });
});
