import type { LbPolicyDef } from "../../proxy/api.ts";
import { leastRequest } from "./least-request.ts";
import { maglev } from "./maglev.ts";
import { random } from "./random.ts";
import { ringHash } from "./ring-hash.ts";
import { roundRobin } from "./round-robin.ts";

/** All load balancing policies. */
export const lbPolicies: readonly LbPolicyDef[] = [roundRobin, leastRequest, random, ringHash, maglev];
