import type { OperatorDef } from "../../proxy/api.ts";
import { coalesceOperator } from "./coalesce-operator.ts";
import { connectionOperators } from "./connection-operators.ts";
import { headerOperators } from "./header-operators.ts";
import { processOperators } from "./process-operators.ts";
import { stateOperators } from "./state-operators.ts";
import { streamOperators } from "./stream-operators.ts";
import { timeOperators } from "./time-operators.ts";
import { tlsOperators } from "./tls-operators.ts";

/** All operators of format strings. */
export const operators: readonly OperatorDef[] = [
  ...headerOperators,
  ...timeOperators,
  ...streamOperators,
  ...connectionOperators,
  ...tlsOperators,
  ...stateOperators,
  ...processOperators,
  coalesceOperator,
];
