import { h2load } from "../load/h2load.ts";
import { underLoad } from "../load/under-load.ts";
import { ALL, work } from "../proxies/work.ts";
import { againstEnvoy, casesOf, type Scenario } from "../scenario.ts";

// HTTP/2 with prior knowledge, ten connections of ten streams each.

const round = underLoad((contender, seconds) =>
  h2load(contender.port, seconds, { protocol: "h2", connections: 10, streams: 10 }),
);

export const http2Scenarios: readonly Scenario[] = [
  {
    name: "h2c-h2c",
    about: "HTTP/2 on both sides, 10 connections of 10 streams",
    unit: "us/request",
    cases: casesOf(["weft", "envoy", "haproxy"], work({ client: "h2c", upstream: "h2c" }), round),
    bars: [againstEnvoy(0.33)],
  },
  {
    name: "h2c-h1",
    about: "HTTP/2 to HTTP/1.1, 10 connections of 10 streams",
    unit: "us/request",
    cases: casesOf(ALL, work({ client: "h2c" }), round),
    bars: [againstEnvoy(0.33)],
  },
];
