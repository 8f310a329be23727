import type { ConfigProblem } from "../../base/load-config.ts";
import { decode } from "../../proto/registry.ts";
import { validateMessage, type Violation } from "../../proto/validate.ts";
import type { Catalog } from "../model.ts";
import type { Resource } from "../xds/resource.ts";
import { readPolicyText } from "./load-policy.ts";
import { policyCatalog } from "./policy-catalog.ts";
import { sampleNodes } from "./sample-nodes.ts";
import { ViewResources } from "./view-resources.ts";

/** What there is to say of a policy's text. */
export interface PolicyCheck {
  readonly problems: readonly ConfigProblem[];
  /** How many resources were made of it and found good, over all views. */
  readonly resources: number;
  readonly views: readonly string[];
}

/**
 * Everything that is wrong with the text of a policy: in itself, and with what would be made of it for every view, by
 * Envoy's own rules.
 * @param catalog what there is; without it, the services that the policy names
 */
export function checkPolicy(text: string, catalog?: Catalog): PolicyCheck {
  const { policy, problems, places } = readPolicyText(text);
  if (policy === undefined || problems.length > 0) return { problems, resources: 0, views: [] };
  const services = catalog ?? policyCatalog(policy);
  const served = new ViewResources(services, policy);
  const found = new Map<string, ConfigProblem>();
  const views = new Map<string, number>();
  const seen = new Set<Resource>();
  const add = (path: readonly (string | number)[], message: string) => {
    const problem = places.problem(path, message);
    found.set(`${problem.line} ${problem.field} ${message}`, problem);
  };
  for (const node of sampleNodes(policy, services)) {
    try {
      const answer = served.of(node);
      if ("refused" in answer) add([], answer.refused);
      else {
        views.set(answer.view, answer.resources.length);
        for (const resource of answer.resources) {
          if (seen.has(resource)) continue;
          seen.add(resource);
          const message = decode(resource.type, resource.bytes);
          for (const violation of validateMessage(message)) add(...blame(resource, message, violation));
        }
      }
    } catch (error) {
      add([], (error as Error).message);
    }
  }
  return { problems: [...found.values()], resources: seen.size, views: [...views.keys()] };
}

/** The part of the policy that a fault in a resource most likely comes from, and what is wrong. */
function blame(
  { type, name }: Resource,
  message: object,
  violation: Violation,
): [readonly (string | number)[], string] {
  const text = `makes a ${type.split(".").at(-1)} "${name}" that Envoy refuses: ${violation.path}: ${violation.message}`;
  const kind = type.split(".").at(-1);
  if (kind === "Cluster" || kind === "ClusterLoadAssignment")
    return [["services", name.split("@")[0]!, "envoy", "cluster"], text];
  if (kind === "Listener") return [[name === "edge" ? "edge" : "sidecar", "envoy"], text];
  const named = namesAlong(message, violation);
  const service = named.at(-1)?.split("/")[0] ?? "";
  return [["services", service, "envoy", named.length > 1 ? "route" : "virtual_host"], text];
}

/** Names of the virtual host and the route that a violation is in. */
function namesAlong(message: object, { parts }: Violation): string[] {
  const names: string[] = [];
  let at: unknown = message;
  for (const part of parts) {
    if (typeof at !== "object" || at === null) break;
    const key = typeof part === "object" ? part.key : part;
    const local =
      typeof key === "string" ? key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()) : key;
    at = (at as Record<string | number, unknown>)[local];
    const name = (at as { name?: unknown } | undefined)?.name;
    if (typeof part === "number" && typeof name === "string") names.push(name);
  }
  return names;
}
