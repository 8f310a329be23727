import type { LbPolicyDef } from "../../proxy/api.ts";
import { leastRequest } from "./least-request.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";

/** All load balancing policies. */
export const lbPolicies: readonly LbPolicyDef[] = [roundRobin, leastRequest, random];
