import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../base/describe-error.ts";
import type { EtcdChange, EtcdRange } from "./etcd-client.ts";
import type { EtcdCluster } from "./etcd-cluster.ts";

/** What is told of the keys under a prefix, in the order of revisions. */
export interface EtcdFollowerHandler {
  /** All of them: at first, and whenever the history since then is lost. */
  onEverything(range: EtcdRange): void;
  onChange(change: EtcdChange): void;
  /** They cannot be followed now, and why; "" when they can again. */
  onTrouble(error: string): void;
}

/** A watch in which nothing happens is begun anew this often, where it was: a dead connection or member would say nothing. */
const QUIET_MS = 10_000;
const RETRY_MS = 100;
const MAX_RETRY_MS = 5000;

/**
 * Follows the keys under a prefix, over failures and from member to member, until the signal ends it. Resolves when
 * they were read for the first time; rejects when that cannot be done.
 */
export async function followEtcd(
  cluster: EtcdCluster,
  prefix: string,
  signal: AbortSignal,
  handler: EtcdFollowerHandler,
): Promise<void> {
  const first = await cluster.ask(signal, (client) => client.range(prefix, signal));
  handler.onEverything(first);
  void follow(cluster, prefix, signal, handler, first.revision);
}

async function follow(
  cluster: EtcdCluster,
  prefix: string,
  signal: AbortSignal,
  handler: EtcdFollowerHandler,
  from: number,
): Promise<void> {
  let revision = from;
  let failures = 0;
  while (!signal.aborted) {
    let url = "";
    try {
      const member = await cluster.member(signal);
      url = member.url;
      for await (const change of member.client.watch(prefix, revision + 1, QUIET_MS, signal)) {
        if (failures > 0) handler.onTrouble("");
        failures = 0;
        if (change.lost) {
          const everything = await member.client.range(prefix, signal);
          revision = everything.revision;
          handler.onEverything(everything);
          break;
        }
        if (change.events.length === 0) continue;
        revision = change.revision;
        handler.onChange(change);
      }
    } catch (error) {
      if (signal.aborted) return;
      cluster.drop(url);
      if (failures++ === 0) handler.onTrouble(describeError(error));
      await sleep(Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures - 1, 6)), undefined, {
        signal,
      }).catch(() => {});
    }
  }
}
