import { renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { h2load } from "../load/h2load.ts";
import { underLoad } from "../load/under-load.ts";
import type { Contender } from "../proxies/contender.ts";
import { clusterFileContent } from "../proxies/envoy.ts";
import { work, type ProxyName } from "../proxies/work.ts";
import { casesOf, type Scenario } from "../scenario.ts";

const CLUSTERS = 10_000;
const CONNECTIONS = 50;
const RATE = 2000;
/** After the start of a round, in milliseconds. */
const PUSH_AFTER = 500;
const PROXIES: readonly ProxyName[] = ["weft", "envoy"];

// Every push changes all of them.
const VERSIONS = ["1s", "2s"].map((timeout) => clusterFileContent(CLUSTERS, timeout));
let pushes = 0;

export const xdsPushScenario: Scenario = {
  name: "xds-push",
  about: "2,000 requests per second, alone and while 10,000 clusters are replaced",
  unit: "us/request",
  cases: [
    ...casesOf(PROXIES, work({ watchesClusters: true }), underLoad(load), "quiet"),
    ...casesOf(PROXIES, work({ watchesClusters: true }), underLoad(loadDuringPush), "push"),
  ],
  bars: [{ variant: "push", metric: "p99", atMost: 2, against: { proxy: "weft", variant: "quiet" } }],
};

function load({ port }: Contender, seconds: number): ReturnType<typeof h2load> {
  return h2load(port, seconds, { protocol: "h1", connections: CONNECTIONS, rate: RATE / CONNECTIONS });
}

async function loadDuringPush(contender: Contender, seconds: number): ReturnType<typeof h2load> {
  const loading = load(contender, seconds);
  await sleep(PUSH_AFTER);
  const next = `${contender.clusterFile}.next`;
  writeFileSync(next, VERSIONS[pushes++ % VERSIONS.length]!);
  renameSync(next, contender.clusterFile);
  return loading;
}
