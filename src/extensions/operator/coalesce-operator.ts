import type { Formatter, OperatorDef } from "../../proxy/api.ts";

interface Step {
  readonly command: string;
  readonly param?: string;
  readonly max_length?: number;
}

/** `%COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":":authority"}]})%`: the first that has a value. */
export const coalesceOperator: OperatorDef = {
  name: "COALESCE",
  create(argument, operators) {
    const steps = parseSteps(argument).map((step) => compileStep(step, operators));
    return (info) => {
      for (const step of steps) {
        const value = step(info);
        if (value !== undefined && value !== "") return value;
      }
      return undefined;
    };
  },
};

function parseSteps(argument: string | undefined): Step[] {
  let json: unknown;
  try {
    json = JSON.parse(argument ?? "");
  } catch (error) {
    throw new Error(`COALESCE: the parameter is not JSON: ${argument ?? ""}`, { cause: error });
  }
  const list = (json as { operators?: unknown } | null)?.operators;
  if (!Array.isArray(list) || list.length === 0)
    throw new Error(`COALESCE: "operators" must be a list with at least one operator`);
  return list.map((each: unknown) => {
    if (typeof each === "string") return { command: each };
    const step = each as Partial<Step> | null;
    if (typeof step?.command !== "string")
      throw new Error(`COALESCE: an operator must be a name or an object with "command"`);
    return step as Step;
  });
}

function compileStep(step: Step, operators: readonly OperatorDef[]): Formatter {
  const found = operators.find((operator) => operator.name === step.command);
  if (found === undefined) throw new Error(`COALESCE: unknown operator "${step.command}"`);
  const get = found.create(step.param, operators);
  const max = step.max_length;
  if (max === undefined) return get;
  return (info) => {
    const value = get(info);
    return typeof value === "string" ? value.slice(0, max) : value;
  };
}
