import { peerTest } from "../../src/testing/peers.ts";
import { demoMeshJourney } from "./demo-mesh-journey.ts";

peerTest("weft up --demo --proxy=envoy", ["envoy"], (t) => demoMeshJourney(t, "envoy"));
