import type { Extensions } from "../proxy/api.ts";
import { lbPolicies } from "./lb/index.ts";
import { operators } from "./operator/index.ts";

/** What Weft's proxy ships with. */
export const extensions: Extensions = {
  http: [],
  network: [],
  lb: lbPolicies,
  accessLog: [],
  operators,
};
