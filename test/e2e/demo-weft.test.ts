import { test } from "node:test";
import { demoMeshJourney } from "./demo-mesh-journey.ts";

test("weft up --demo", (t) => demoMeshJourney(t, "weft"));
