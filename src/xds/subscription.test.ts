import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { SotwSubscription, type SotwRequest } from "./subscription.ts";

test("SotwSubscription acknowledges with the new version and rejects with the old one", () => {
  const s = new SotwSubscription(true);
  assert.equal(s.want([]), undefined);
  assert.deepEqual(s.opened(), { names: [], version: "", nonce: "", error: undefined });
  assert.deepEqual(s.reject("n1", "bad"), { names: [], version: "", nonce: "n1", error: "bad" });
  assert.deepEqual(s.accept("v2", "n2"), { names: [], version: "v2", nonce: "n2", error: undefined });
  assert.deepEqual(s.reject("n3", "bad"), { names: [], version: "v2", nonce: "n3", error: "bad" });
  s.closed();
  assert.deepEqual(s.opened(), { names: [], version: "v2", nonce: "", error: undefined });
});

test("SotwSubscription.want() sends changed names with the accepted version and nonce", () => {
  const s = new SotwSubscription(false);
  assert.equal(s.opened(), undefined);
  assert.deepEqual(s.want(["b", "a", "b"])?.names, ["a", "b"]);
  assert.equal(s.want(["a", "b"]), undefined);
  s.accept("v1", "n1");
  assert.deepEqual(s.want(["a"]), { names: ["a"], version: "v1", nonce: "n1", error: undefined });
  assert.deepEqual(s.want([]), { names: [], version: "v1", nonce: "n1", error: undefined });
});

test("SotwSubscription keeps the protocol's rules under any history", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("accept" as const) }),
    fc.record({ kind: fc.constant("reject" as const) }),
    fc.record({ kind: fc.constant("reopen" as const) }),
    fc.record({ kind: fc.constant("want" as const), names: fc.array(fc.constantFrom("a", "b", "c")) }),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(step), (wildcard, steps) => {
      const s = new SotwSubscription(wildcard);
      s.opened();
      let version = "";
      let nonce = "";
      let names: string[] = [];
      let wanted = false;
      for (const [i, each] of steps.entries()) {
        let request: SotwRequest | undefined;
        if (each.kind === "want") {
          const sorted = wildcard ? [] : [...new Set(each.names)].sort();
          const changed: boolean = !wanted || sorted.join() !== names.join();
          const hadNames = names.length > 0;
          wanted = true;
          names = sorted;
          request = s.want(sorted);
          const silent = !wildcard && sorted.length === 0 && (!hadNames || nonce === "");
          assert.equal(request !== undefined, changed && !silent);
        } else if (each.kind === "reopen") {
          s.closed();
          nonce = "";
          request = s.opened();
          assert.equal(request !== undefined, wanted && (wildcard || names.length > 0));
        } else if (each.kind === "accept") {
          [version, nonce] = [`v${i}`, `n${i}`];
          request = s.accept(version, nonce);
        } else {
          nonce = `n${i}`;
          request = s.reject(nonce, "why");
        }
        if (request === undefined) continue;
        assert.deepEqual(request, {
          names,
          version,
          nonce,
          error: each.kind === "reject" ? "why" : undefined,
        });
      }
    }),
  );
});
