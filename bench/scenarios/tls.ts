import { h2load } from "../load/h2load.ts";
import { handshakes } from "../load/handshakes.ts";
import { underLoad } from "../load/under-load.ts";
import { wrk } from "../load/wrk.ts";
import { ALL, work } from "../proxies/work.ts";
import { againstEnvoy, casesOf, type Round, type Scenario } from "../scenario.ts";

// TLS with an ECDSA P-256 certificate towards clients, plain HTTP/1.1 towards the upstream.

const tls = work({ client: "tls" });

export const tlsScenarios: readonly Scenario[] = [
  {
    name: "tls-h1",
    about: "HTTP/1.1 over TLS, 50 connections kept alive",
    unit: "us/request",
    cases: casesOf(
      ALL,
      tls,
      underLoad(({ port }, seconds) => wrk(port, seconds, { connections: 50, tls: true })),
    ),
    bars: [againstEnvoy(0.45)],
  },
  {
    name: "tls-h2",
    about: "HTTP/2 over TLS, 10 connections of 10 streams",
    unit: "us/request",
    cases: casesOf(
      ALL,
      tls,
      underLoad(({ port }, seconds) =>
        h2load(port, seconds, { protocol: "h2", connections: 10, streams: 10, tls: true }),
      ),
    ),
    bars: [againstEnvoy(0.45)],
  },
  {
    name: "tls-new",
    about: "a new connection per request, full handshakes of TLS 1.3",
    unit: "us/connection",
    cases: casesOf(ALL, tls, handshaking(false)),
    bars: [againstEnvoy(1.5)],
  },
  {
    name: "tls-resumed",
    about: "a new connection per request, resumed by ticket",
    unit: "us/connection",
    cases: casesOf(ALL, tls, handshaking(true)),
    bars: [againstEnvoy(1.5)],
  },
];

function handshaking(resumed: boolean): Round {
  return underLoad(({ port }, seconds) => handshakes(port, seconds, resumed));
}
