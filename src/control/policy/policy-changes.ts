import type { JsonValue } from "@bufbuild/protobuf";
import type { Catalog } from "../model.ts";
import type { Resource } from "../xds/resource.ts";
import type { NodeIdentity } from "../views/view.ts";
import type { MeshPolicy } from "./mesh-policy.ts";
import { sampleNodes } from "./sample-nodes.ts";
import { resourceJson, ViewResources, type Served } from "./view-resources.ts";

/** One difference between what a policy and another one make. */
export interface PolicyChange {
  /** `view edge`, `node edge-1`: who would see it. */
  readonly for: readonly string[];
  /** Full name of the resource type; "" when nodes would be refused, or no longer be. */
  readonly type: string;
  readonly name: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What would change for the nodes that are connected, and for each view that has none. */
export function policyChanges(
  catalog: Catalog,
  before: MeshPolicy,
  after: MeshPolicy,
  connected: readonly NodeIdentity[],
): PolicyChange[] {
  const [old, next] = [new ViewResources(catalog, before), new ViewResources(catalog, after)];
  const changes = new Map<string, PolicyChange & { readonly for: string[] }>();
  const views = new Set<string>();
  const compare = (node: NodeIdentity, label: (view: string) => string) => {
    const [from, to] = [old.of(node), next.of(node)];
    const who = label("refused" in to ? ("refused" in from ? "" : from.view) : to.view);
    for (const change of differences(from, to)) {
      const key = JSON.stringify(change);
      const known = changes.get(key);
      if (known === undefined) changes.set(key, { for: [who], ...change });
      else if (!known.for.includes(who)) known.for.push(who);
    }
    if (!("refused" in to)) views.add(to.view);
  };
  for (const node of connected) compare(node, () => `node ${node.id}`);
  for (const node of [...sampleNodes(before, catalog), ...sampleNodes(after, catalog)]) {
    const served = next.of(node);
    if ("refused" in served || !views.has(served.view))
      compare(node, (view) => `view ${view || node.cluster}`);
  }
  return [...changes.values()];
}

function differences(from: Served, to: Served): Omit<PolicyChange, "for">[] {
  if ("refused" in from || "refused" in to) {
    const [before, after] = [from, to].map((each) =>
      "refused" in each ? `refused: ${each.refused}` : "served",
    );
    return before === after ? [] : [{ type: "", name: "view", before: before!, after: after! }];
  }
  const [old, next] = [index(from.resources), index(to.resources)];
  const changes: Omit<PolicyChange, "for">[] = [];
  for (const [key, resource] of next) {
    const known = old.get(key);
    if (known?.version === resource.version) continue;
    const { type, name } = resource;
    changes.push({
      type,
      name,
      ...(known !== undefined && { before: resourceJson(known) }),
      after: resourceJson(resource),
    });
  }
  for (const [key, resource] of old) {
    if (!next.has(key))
      changes.push({ type: resource.type, name: resource.name, before: resourceJson(resource) });
  }
  return changes;
}

function index(resources: readonly Resource[]): Map<string, Resource> {
  return new Map(resources.map((each) => [`${each.type} ${each.name}`, each]));
}
