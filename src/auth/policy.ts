import type { Identity } from "./identity.ts";
import { possiblePaths } from "./normalize-path.ts";

export type Access = "public" | "authenticated" | "deny";

/** One rule; it applies when path and method fit. */
export interface PolicyRule {
  /** The whole path; a slash at its end does not count. */
  readonly path?: string;
  /** This path and everything below it, by whole segments: `/admin` covers `/admin/x` and not `/administrator`. */
  readonly pathPrefix?: string;
  /** Left out: every method. */
  readonly methods?: readonly string[];
  /** Left out: `authenticated`. */
  readonly allow?: Access;
  /** One of these roles, or one of these users; with neither, everybody who is authenticated. */
  readonly roles?: readonly string[];
  readonly users?: readonly string[];
}

/** Rules, tried in order; the first that applies decides. */
export interface Policy {
  readonly rules: readonly PolicyRule[];
  /** When no rule applies. */
  readonly otherwise: Access;
}

export const defaultPolicy: Policy = { rules: [], otherwise: "authenticated" };

/** What a request needs: every one of the rules, one per way in which its path can be read. */
export interface Requirement {
  readonly access: Access;
  /** Rules that ask for a role or user. */
  readonly rules: readonly PolicyRule[];
  /** Why, for the log and the reply: the rule that decided. */
  readonly reason: string;
}

/** Finds what `method` on `target` (a request target, still escaped) needs. A path that can be read in several ways needs what all of them need. */
export function requirementOf(policy: Policy, method: string, target: string): Requirement {
  const paths = possiblePaths(target);
  if (paths === undefined)
    return { access: "deny", rules: [], reason: "the path cannot be read with certainty" };
  if (paths.length === 1) return requirementOfPath(policy, method, paths[0]!);
  let access: Access = "public";
  let reason = "";
  const rules: PolicyRule[] = [];
  for (const path of paths) {
    const one = requirementOfPath(policy, method, path);
    rules.push(...one.rules);
    if (reason === "" || strictness[one.access] > strictness[access]) ({ access, reason } = one);
  }
  return { access, rules, reason };
}

/** Whether an identity is enough for a requirement that is not `deny`. */
export function satisfies(identity: Identity, requirement: Requirement): boolean {
  return requirement.rules.every(
    ({ roles = [], users = [] }) =>
      users.includes(identity.user) || roles.some((role) => identity.roles.includes(role)),
  );
}

const strictness: Record<Access, number> = { public: 0, authenticated: 1, deny: 2 };

function requirementOfPath(policy: Policy, method: string, path: string): Requirement {
  const at = policy.rules.findIndex((rule) => applies(rule, method, path));
  const rule = policy.rules[at];
  if (rule === undefined) return { access: policy.otherwise, rules: [], reason: "no rule applies" };
  const access = rule.allow ?? "authenticated";
  const asks = access === "authenticated" && (rule.roles !== undefined || rule.users !== undefined);
  return { access, rules: asks ? [rule] : [], reason: `rule ${at + 1}` };
}

function applies(rule: PolicyRule, method: string, path: string): boolean {
  if (rule.methods !== undefined && !rule.methods.includes(method)) return false;
  if (rule.path !== undefined) return trim(rule.path) === trim(path);
  if (rule.pathPrefix === undefined) return true;
  const prefix = trim(rule.pathPrefix);
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}

/** Without the slash at the end; the root is empty. */
function trim(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}
