import { setTimeout as sleep } from "node:timers/promises";
import { openIdleConnections, type IdleKind } from "../load/idle-connections.ts";
import { residentBytes } from "../process-cost.ts";
import { ALL, work } from "../proxies/work.ts";
import { casesOf, type Case, type Round, type Scenario } from "../scenario.ts";

/** For garbage to go and memory to settle, in milliseconds. */
const SETTLE = 2000;
const MEGABYTE = 1_000_000;
const KILOBYTE = 1000;
/** Work before counting begins, so that what is allocated once is not counted. */
const WARM_UP_CONNECTIONS = 100;

export const idleScenario: Scenario = {
  name: "idle",
  about: "memory of one worker at rest, and per idle connection that has made one request",
  unit: "KB/connection",
  fresh: true,
  rounds: 1,
  cases: [...holding("plain", 3000), ...holding("tls", 1500), ...holding("h2", 2000)],
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
    const closeFirst = await openIdleConnections(port, kind, WARM_UP_CONNECTIONS);
    await sleep(SETTLE);
    const before = residentBytes(pid);
    const close = await openIdleConnections(port, kind, count);
    await sleep(SETTLE);
    const after = residentBytes(pid);
    close();
    closeFirst();
    return { cost: (after - before) / count / KILOBYTE, residentBytes: after };
  };
}
