import type { Scenario } from "../scenario.ts";
import { fixedRateScenario } from "./fixed-rate.ts";
import { http1Scenarios } from "./http1.ts";
import { http2Scenarios } from "./http2.ts";
import { idleScenario, restScenario } from "./idle.ts";
import { routesScenario } from "./routes.ts";
import { startupScenario } from "./startup.ts";
import { tlsScenarios } from "./tls.ts";
import { xdsPushScenario } from "./xds-push.ts";

/** All, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  ...http1Scenarios,
  ...http2Scenarios,
  ...tlsScenarios,
  routesScenario,
  fixedRateScenario,
  xdsPushScenario,
  restScenario,
  idleScenario,
  startupScenario,
];
