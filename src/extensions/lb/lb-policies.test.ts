import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageName } from "../../proto/registry.ts";
import type { Host, LbPolicyDef, LoadBalancer, PickContext } from "../../proxy/api.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { lbPolicies } from "./index.ts";
import { leastRequest } from "./least-request.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";

const CONTEXT: PickContext = { headers: undefined, hash: undefined, tried: [], maxReselections: 0 };

interface FakeHost extends Host {
  activeRequests: number;
}

function host(address: string, weight = 1): FakeHost {
  return {
    address,
    hostname: "",
    weight,
    priority: 0,
    locality: { region: "", zone: "", subZone: "" },
    healthy: true,
    degraded: false,
    metadata: undefined,
    startedAt: 0,
    activeRequests: 0,
  };
}

/** A repeatable source of random numbers. */
function chance(): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function balancer(policy: LbPolicyDef, hosts: readonly Host[], init: object = {}): LoadBalancer {
  const { factory } = new TestClusters({ random: chance() });
  const config = create(policy.config as MessageName, init);
  return policy.create(config as never, factory)(hosts);
}

function counts(lb: LoadBalancer, picks: number): Record<string, number> {
  const found: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const { address } = lb.pick(CONTEXT)!;
    found[address] = (found[address] ?? 0) + 1;
  }
  return found;
}

for (const policy of lbPolicies) {
  describe(`${policy.name} as any policy`, () => {
    it("is named and configured as in Envoy, and declares what it reads", () => {
      assert.match(policy.name, /^envoy\.load_balancing_policies\./);
      assert.match(policy.config, /^envoy\.extensions\.load_balancing_policies\./);
      assert.ok(policy.ledger[policy.config]);
    });

    it("picks nothing from no hosts", () => {
      assert.equal(balancer(policy, []).pick(CONTEXT), undefined);
    });

    it("picks the only host", () => {
      const only = host("a", 7);
      assert.equal(balancer(policy, [only]).pick(CONTEXT), only);
    });

    it("picks only hosts that it was given, and each of them", () => {
      const hosts = ["a", "b", "c", "d"].map((address) => host(address));
      const lb = balancer(policy, hosts);
      const seen = new Set<Host>();
      for (let i = 0; i < 200; i++) seen.add(lb.pick(CONTEXT)!);
      assert.deepEqual([...seen].map((each) => each.address).sort(), ["a", "b", "c", "d"]);
      for (const each of seen) assert.ok(hosts.includes(each as FakeHost));
    });

    it("gives equal hosts about the same", () => {
      const found = counts(
        balancer(
          policy,
          ["a", "b", "c"].map((address) => host(address)),
        ),
        3000,
      );
      for (const count of Object.values(found)) assert.ok(count > 850 && count < 1150, String(count));
    });

    it("keeps instances apart", () => {
      const first = balancer(policy, [host("a")]);
      const second = balancer(policy, [host("b")]);
      assert.equal(first.pick(CONTEXT)!.address, "a");
      assert.equal(second.pick(CONTEXT)!.address, "b");
    });
  });
}

describe("round robin", () => {
  it("takes equal hosts in turn", () => {
    const lb = balancer(
      roundRobin,
      ["a", "b", "c"].map((address) => host(address)),
    );
    const picks = Array.from({ length: 7 }, () => lb.pick(CONTEXT)!.address).join("");
    assert.ok("abcabcabcabc".includes(picks), picks);
  });

  it("honours weights exactly: 10, 20 and 30 of 60", () => {
    const lb = balancer(roundRobin, [host("a", 1), host("b", 2), host("c", 3)]);
    assert.deepEqual(counts(lb, 60), { a: 10, b: 20, c: 30 });
  });
});

describe("random", () => {
  it("ignores weights", () => {
    const found = counts(balancer(random, [host("a", 1), host("b", 100)]), 2000);
    assert.ok(found["a"]! > 900 && found["a"]! < 1100);
  });
});

describe("least request", () => {
  it("never picks the busier of two different draws", () => {
    const hosts = [host("idle"), host("busy")];
    hosts[1]!.activeRequests = 5;
    const found = counts(balancer(leastRequest, hosts), 4000);
    // The busy one wins only when it is drawn twice.
    assert.ok(found["busy"]! > 850 && found["busy"]! < 1150, String(found["busy"]));
  });

  it("scans all hosts when told to, with equal chances among the best", () => {
    const hosts = [host("a"), host("b"), host("c")];
    hosts[0]!.activeRequests = 1;
    for (const init of [{ selectionMethod: 1 }, { enableFullScan: true }]) {
      const found = counts(balancer(leastRequest, hosts, init), 2000);
      assert.equal(found["a"], undefined);
      assert.ok(found["b"]! > 900 && found["b"]! < 1100);
    }
  });

  it("draws as often as choice_count says", () => {
    const hosts = Array.from({ length: 10 }, (_, i) => host(String(i)));
    for (const each of hosts.slice(1)) each.activeRequests = 1;
    const found = counts(balancer(leastRequest, hosts, { choiceCount: 10 }), 2000);
    // 1 - 0.9^10
    assert.ok(found["0"]! > 1200 && found["0"]! < 1400, String(found["0"]));
  });

  it("weighs hosts by their load when weights differ", () => {
    const hosts = [host("a", 1), host("b", 3)];
    assert.deepEqual(counts(balancer(leastRequest, hosts), 400), { a: 100, b: 300 });
    hosts[1]!.activeRequests = 2;
    const loaded = counts(balancer(leastRequest, hosts), 400);
    assert.ok(Math.abs(loaded["a"]! - 200) <= 2);
    const flat = counts(
      balancer(leastRequest, hosts, { activeRequestBias: { defaultValue: 0, runtimeKey: "x" } }),
      400,
    );
    assert.ok(Math.abs(flat["b"]! - 300) <= 2);
  });
});
