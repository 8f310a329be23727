import { underLoad } from "../load/under-load.ts";
import { wrk } from "../load/wrk.ts";
import { lastRoute, work } from "../proxies/work.ts";
import { casesOf, type Case, type Scenario } from "../scenario.ts";

const FEW = 10;
const MANY = 10_000;

export const routesScenario: Scenario = {
  name: "routes",
  about: "the last of 10 and of 10,000 prefix routes",
  unit: "us/request",
  cases: [...lastOf(FEW), ...lastOf(MANY)],
  bars: [
    {
      variant: variantOf(MANY),
      metric: "cost",
      atMost: 1.5,
      against: { proxy: "weft", variant: variantOf(FEW) },
    },
  ],
};

function lastOf(routes: number): readonly Case[] {
  const path = `${lastRoute(routes)}some/path`;
  const round = underLoad(({ port }, seconds) => wrk(port, seconds, { connections: 50, path }));
  return casesOf(["weft", "envoy"], work({ routes }), round, variantOf(routes));
}

function variantOf(routes: number): string {
  return `last of ${routes}`;
}
