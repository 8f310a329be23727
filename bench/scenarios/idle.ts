import { setTimeout as sleep } from "node:timers/promises";
import { h2load } from "../load/h2load.ts";
import { openIdleConnections, type IdleKind } from "../load/idle-connections.ts";
import { wrk } from "../load/wrk.ts";
import { residentBytes } from "../process-cost.ts";
import { ALL, work } from "../proxies/work.ts";
import { casesOf, type Case, type Round, type Scenario } from "../scenario.ts";

/** For garbage to go and memory to settle, in milliseconds. */
const SETTLE = 2000;
const MEGABYTE = 1_000_000;
const KILOBYTE = 1000;
/** Load before counting begins, so that heaps have grown to what traffic needs and only connections are counted. */
const WARM_UP_SECONDS = 4;

export const idleScenario: Scenario = {
  name: "idle",
  about: "memory of one worker at rest, and per idle connection that has made one request",
  unit: "KB/connection",
  fresh: true,
  rounds: 1,
  cases: [...holding("plain", 5000), ...holding("tls", 2000), ...holding("h2", 4000)],
  bars: [
    { variant: "plain", metric: "cost", atMost: 6 },
    { variant: "tls", metric: "cost", atMost: 60 },
    { variant: "h2", metric: "cost", atMost: 12 },
  ],
};

export const restScenario: Scenario = {
  name: "rest",
  about: "memory of one worker that has served nothing yet",
  unit: "MB",
  fresh: true,
  rounds: 1,
  cases: casesOf(ALL, work(), async ({ pid }) => {
    await sleep(SETTLE);
    return { cost: residentBytes(pid) / MEGABYTE };
  }),
  bars: [{ metric: "cost", atMost: 100 }],
};

function holding(kind: IdleKind, count: number): readonly Case[] {
  const client = kind === "plain" ? "h1" : kind === "tls" ? "tls" : "h2c";
  return casesOf(ALL, work({ client }), round(kind, count), kind);
}

function round(kind: IdleKind, count: number): Round {
  return async ({ port, pid }) => {
    if (kind === "h2") await h2load(port, WARM_UP_SECONDS, { protocol: "h2", connections: 10, streams: 10 });
    else await wrk(port, WARM_UP_SECONDS, { connections: 50, tls: kind === "tls" });
    await sleep(SETTLE);
    const before = residentBytes(pid);
    const close = await openIdleConnections(port, kind, count);
    await sleep(SETTLE);
    const after = residentBytes(pid);
    close();
    return { cost: (after - before) / count / KILOBYTE, residentBytes: after };
  };
}
