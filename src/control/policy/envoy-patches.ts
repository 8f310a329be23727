// The parts of a mesh policy that are written in Envoy's own terms.
import type { JsonValue } from "@bufbuild/protobuf";
import type { Tree } from "../../proto/tree.ts";
import { MessageReader } from "../../proto/message-reader.ts";
import { formatPath, type PathPart } from "../../proto/path.ts";
import { schema, toJson, type MessageName } from "../../proto/registry.ts";
import type { ConfigProblem } from "../../base/load-config.ts";
import { Layer } from "../../proto/source-map.ts";
import { parseYamlTree } from "../../proto/yaml-tree.ts";

const TYPES: Readonly<Record<string, MessageName>> = {
  cluster: "envoy.config.cluster.v3.Cluster",
  route: "envoy.config.route.v3.Route",
  virtual_host: "envoy.config.route.v3.VirtualHost",
  listener: "envoy.config.listener.v3.Listener",
  http_connection_manager:
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  http_filters: "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
  clusters: "envoy.config.cluster.v3.Cluster",
  listeners: "envoy.config.listener.v3.Listener",
  route_configs: "envoy.config.route.v3.RouteConfiguration",
  load_assignments: "envoy.config.endpoint.v3.ClusterLoadAssignment",
};

/** Where a policy may have parts in Envoy's terms; `*` is any name or index. */
const PLACES: readonly (readonly string[])[] = [
  "static_resources",
  "defaults",
  "defaults.routes.*",
  "templates.*.settings",
  "templates.*.settings.routes.*",
  "services.*",
  "services.*.routes.*",
  "edge",
  "edge.routes.*",
  "sidecar",
  "views.*.edge",
  "views.*.edge.routes.*",
  "views.*.sidecar",
].map((place) => [...place.split("."), ...(place === "static_resources" ? [] : ["envoy"])]);

/** One patch, and where it is in the policy. */
export interface PolicyPatch {
  readonly path: readonly (string | number)[];
  /** As Envoy's loader understands it, in JSON form. */
  readonly json: object;
}

/** Reads all patches of a policy text. The text must be good YAML. */
export function readPatches(text: string): { patches: PolicyPatch[]; problems: ConfigProblem[] } {
  const { root } = parseYamlTree(text);
  const layer = new Layer("", text, root);
  const patches: PolicyPatch[] = [];
  const problems: ConfigProblem[] = [];
  const read = (path: readonly (string | number)[], type: MessageName, tree: Tree) => {
    const reader = new MessageReader();
    const message = reader.message(schema(type), tree);
    for (const problem of reader.problems) {
      const field = formatPath([...(path as PathPart[]), ...problem.path]);
      problems.push({ line: layer.place(problem.offset).line, field, message: problem.message });
    }
    if (message === undefined || reader.problems.length > 0) return;
    const json = toJson(type, message as never);
    // Filters are added, not merged.
    for (const { offset, at } of path.includes("http_filters") ? [] : withoutEffect(tree, json)) {
      const field = formatPath([...(path as PathPart[]), ...at]);
      const text =
        "has no effect: merging cannot set a field back to its default (0, false, empty, the first of an enum)";
      problems.push({ line: layer.place(offset).line, field, message: text });
    }
    patches.push({ path, json: json as object });
  };
  const visit = (tree: Tree, path: readonly (string | number)[]) => {
    if (isPatches(path)) return readAll(tree, path, read);
    if (!PLACES.some((place) => place.length > path.length && fits(place, path))) return;
    if (tree.kind === "seq") tree.items.forEach((item, i) => visit(item, [...path, i]));
    else if (tree.kind === "map") for (const { key, value } of tree.entries) visit(value, [...path, key]);
  };
  if (root !== undefined) visit(root, []);
  return { patches, problems };
}

function readAll(
  tree: Tree,
  path: readonly (string | number)[],
  read: (path: readonly (string | number)[], type: MessageName, tree: Tree) => void,
): void {
  if (tree.kind !== "map") return;
  for (const { key, value } of tree.entries) {
    const type = TYPES[key];
    if (type === undefined) continue;
    if (value.kind === "seq") value.items.forEach((item, i) => read([...path, key, i], type, item));
    else read([...path, key], type, value);
  }
}

/**
 * Fields of a patch that are their type's default: those that merging passes over (protobuf's MergeFrom). In elements of
 * lists, which are added, and in messages that are packed in an Any, which are replaced, a default is what it says.
 */
function withoutEffect(tree: Tree, json: JsonValue | undefined): { offset: number; at: string[] }[] {
  if (tree.kind === "seq") return [];
  if (tree.kind === "scalar") {
    return tree.value !== null && (json === undefined || json === "0s")
      ? [{ offset: tree.start, at: [] }]
      : [];
  }
  if (tree.entries.some(({ key }) => key === "@type")) return [];
  return tree.entries.flatMap(({ key, value }) => {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const inner =
      typeof json === "object" && json !== null ? (json as Record<string, JsonValue>)[name] : undefined;
    return withoutEffect(value, inner).map(({ offset, at }) => ({ offset, at: [name, ...at] }));
  });
}

function isPatches(path: readonly (string | number)[]): boolean {
  return PLACES.some((place) => place.length === path.length && fits(place, path));
}

function fits(place: readonly string[], path: readonly (string | number)[]): boolean {
  return path.every((part, i) => place[i] === "*" || place[i] === part);
}
