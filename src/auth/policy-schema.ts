import type { ConfigSchema } from "../base/load-config.ts";
import type { Access, Policy, PolicyRule } from "./policy.ts";

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

const accesses: readonly string[] = ["public", "authenticated", "deny"] satisfies Access[];
const ruleKeys = ["path", "path_prefix", "methods", "allow", "roles", "users"];

/** The file of rules: `rules`, a list, and `default`. Written out by hand, since loading a schema library costs more than all else here. */
export const policySchema: ConfigSchema<Policy> = {
  safeParse(value) {
    const issues: Issue[] = [];
    const policy = readPolicy(value, issues);
    return issues.length === 0 ? { success: true, data: policy } : { success: false, error: { issues } };
  },
};

function readPolicy(value: unknown, issues: Issue[]): Policy {
  const file = object(value, [], ["rules", "default"], issues);
  const otherwise = access(file["default"], ["default"], issues) ?? "authenticated";
  const rules = file["rules"] ?? [];
  if (!Array.isArray(rules)) {
    issues.push({ path: ["rules"], message: "must be a list" });
    return { rules: [], otherwise };
  }
  return { rules: rules.map((rule, at) => readRule(rule, ["rules", at], issues)), otherwise };
}

function readRule(value: unknown, at: PropertyKey[], issues: Issue[]): PolicyRule {
  const rule = object(value, at, ruleKeys, issues);
  const path = pathOf(rule["path"], [...at, "path"], issues);
  const pathPrefix = pathOf(rule["path_prefix"], [...at, "path_prefix"], issues);
  const methods = texts(
    rule["methods"],
    [...at, "methods"],
    /^[A-Z][A-Z-]*$/,
    "a list of methods in capitals, as [GET, POST]",
    issues,
  );
  const allow = access(rule["allow"], [...at, "allow"], issues);
  const roles = texts(rule["roles"], [...at, "roles"], /./, "a list of roles", issues);
  const users = texts(rule["users"], [...at, "users"], /./, "a list of user ids", issues);
  if (path !== undefined && pathPrefix !== undefined) {
    issues.push({ path: [...at, "path_prefix"], message: "cannot stand beside path" });
  }
  if ((roles !== undefined || users !== undefined) && allow !== undefined && allow !== "authenticated") {
    issues.push({ path: [...at, "allow"], message: `cannot be ${allow} beside roles or users` });
  }
  return {
    ...(path !== undefined && { path }),
    ...(pathPrefix !== undefined && { pathPrefix }),
    ...(methods !== undefined && { methods }),
    ...(allow !== undefined && { allow }),
    ...(roles !== undefined && { roles }),
    ...(users !== undefined && { users }),
  };
}

function object(
  value: unknown,
  at: PropertyKey[],
  keys: readonly string[],
  issues: Issue[],
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    issues.push({ path: at, message: `must have fields: ${keys.join(", ")}` });
    return {};
  }
  const unknown = Object.keys(value).filter((key) => !keys.includes(key));
  if (unknown.length > 0) issues.push({ code: "unrecognized_keys", path: at, message: "", keys: unknown });
  return value as Record<string, unknown>;
}

function access(value: unknown, at: PropertyKey[], issues: Issue[]): Access | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && accesses.includes(value)) return value as Access;
  issues.push({ path: at, message: `must be one of ${accesses.join(", ")}` });
  return undefined;
}

function pathOf(value: unknown, at: PropertyKey[], issues: Issue[]): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value.startsWith("/") && !/\/\/|\/\.\.?(?:\/|$)|[?#]/.test(value))
    return value;
  issues.push({
    path: at,
    message: "must be a path from /, unescaped, without query, dot segments or double slashes",
  });
  return undefined;
}

function texts(
  value: unknown,
  at: PropertyKey[],
  rule: RegExp,
  what: string,
  issues: Issue[],
): string[] | undefined {
  if (value === undefined) return undefined;
  const fits = Array.isArray(value) && value.every((one) => typeof one === "string" && rule.test(one));
  if (fits && value.length > 0) return value as string[];
  issues.push({ path: at, message: `must be ${what}, and not empty` });
  return undefined;
}
