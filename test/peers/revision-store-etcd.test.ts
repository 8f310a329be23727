import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { EtcdRevisionStore } from "../../src/control/store/etcd-revision-store.ts";
import { RevisionConflict, type RevisionDraft } from "../../src/control/store/revision-store.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { RealEtcd } from "../../src/testing/real-etcd.ts";
import { checkRevisionStore } from "../../src/testing/revision-store-contract.ts";

const etcd = { user: "", password: "", ca: "", cert: "", key: "", insecure: false, timeout: 3000 };

let prefixes = 0;

function maker(members: readonly RealEtcd[]) {
  return async (test: TestContext, keep: number) => {
    const prefix = `/history-${++prefixes}/`;
    const urls = members.map(({ url }) => url);
    return async () => {
      const store = await EtcdRevisionStore.open({ urls, prefix, etcd, keep });
      test.after(() => store.close());
      return store;
    };
  };
}

function draft(message: string): RevisionDraft {
  return { time: 1, by: "ann", source: "test", message, documents: { policy: message } };
}

peerTest("EtcdRevisionStore", ["etcd"], async (t) => {
  await checkRevisionStore(t, maker([await RealEtcd.start(t)]));
});

peerTest(
  "EtcdRevisionStore goes on over the death of members, and keeps what it acknowledged",
  ["etcd"],
  async (t) => {
    const members = await RealEtcd.startCluster(t, 3);
    const open = await maker(members)(t, 100);
    const [a, b] = [await open(), await open()];
    const { signal } = new AbortController();
    let number = 0;
    /** What an append that failed came to is not known: then the head tells. */
    const append = async (message: string) => {
      for (let attempt = 0; attempt < 40; attempt++) {
        try {
          number = (await a.append(number, draft(message))).number;
          return;
        } catch (error) {
          if (error instanceof RevisionConflict && (await b.get(error.head))?.message === message) {
            number = error.head;
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
      assert.fail(`"${message}" could not be appended`);
    };
    for (const [i, member] of members.entries()) {
      await append(`before ${i}`);
      await member.kill();
      await append(`without ${i}`);
      assert.equal((await b.next(number - 1, signal))?.message, `without ${i}`);
      await member.start();
    }
    const kept = (await b.list(100)).map(({ message }) => message);
    assert.deepEqual(kept.toReversed(), [
      "before 0",
      "without 0",
      "before 1",
      "without 1",
      "before 2",
      "without 2",
    ]);
  },
);
