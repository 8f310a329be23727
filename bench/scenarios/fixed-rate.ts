import { h2load } from "../load/h2load.ts";
import { underLoad } from "../load/under-load.ts";
import { ALL, work } from "../proxies/work.ts";
import { casesOf, type Scenario } from "../scenario.ts";

const CONNECTIONS = 50;
const RATE = 10_000;

export const fixedRateScenario: Scenario = {
  name: "fixed-rate",
  about: "10,000 requests per second over 50 connections of HTTP/1.1",
  unit: "us/request",
  cases: casesOf(
    ALL,
    work(),
    underLoad(({ port }, seconds) =>
      h2load(port, seconds, { protocol: "h1", connections: CONNECTIONS, rate: RATE / CONNECTIONS }),
    ),
  ),
  bars: [{ metric: "p999", atMost: 1, against: { proxy: "envoy" } }],
};
