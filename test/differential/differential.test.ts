import { before, describe, test } from "node:test";
import { findPeer, missingPeers, peersAreRequired } from "../../src/testing/peers.ts";
import { loadCases } from "./case.ts";
import { runCases } from "./run-cases.ts";
import type { CaseResult } from "./run-cases.ts";
import { verdict } from "./verdict.ts";

const missing = missingPeers(["envoy"]);
const skip = missing === undefined || peersAreRequired() ? false : missing;
const compares = findPeer("weft") !== undefined;

describe("differential cases", { skip }, () => {
  for (const [group, cases] of Map.groupBy(loadCases(), (entry) => entry.group)) {
    describe(group, () => {
      let envoy: ReadonlyMap<object, CaseResult>;
      let ours: ReadonlyMap<object, CaseResult> | undefined;
      before(async () => {
        [envoy, ours] = await Promise.all([
          runCases("envoy", cases),
          compares ? runCases("weft", cases) : undefined,
        ]);
      });
      for (const entry of cases) {
        test(`${entry.name}: ${entry.title}`, () => {
          const wrong = verdict(entry, envoy.get(entry)!, ours?.get(entry));
          // The text is the whole message; a stack of this file would only hide it.
          if (wrong !== undefined) throw Object.assign(new Error(wrong), { stack: wrong });
        });
      }
    });
  }
});
