import { hostname } from "node:os";
import type { OperatorDef } from "../../proxy/api.ts";
import { plain, withArgument } from "./define.ts";

const host = hostname();

/** Operators of the process, the same for every request. */
export const processOperators: readonly OperatorDef[] = [
  plain("HOSTNAME", () => host),
  plain("PID", () => process.pid),
  withArgument("ENVIRONMENT", (name) => {
    const value = process.env[name];
    return () => value;
  }),
];
