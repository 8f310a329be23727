// YAML text → tree, with plain scalars resolved as Envoy's loader (yaml-cpp) does: YAML 1.1 booleans, hexadecimal and octal
// integers; integers beyond 32 bits and all fractions stay text.
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { Node, Pair, Scalar, YAMLMap } from "yaml";
import type { Entry, MapTree, Parsed, ScalarTree, SyntaxProblem, Tree } from "./tree.ts";

/** Loaded with the first YAML text: a configuration in JSON does without. */
let yaml: typeof Yaml;

/** Values after expanding aliases; stops documents made to exhaust memory. */
const MAX_NODES = 5_000_000;
/** Protobuf readers stop at the same depth. */
const MAX_DEPTH = 100;

/** Parses one YAML document. Anchors, aliases and merge keys (`<<`) are resolved. */
export function parseYamlTree(text: string): Parsed {
  yaml ??= createRequire(import.meta.url)("yaml") as typeof Yaml;
  try {
    // The failsafe schema leaves every scalar as text; duplicate keys are found later, with the field they belong to.
    const document = yaml.parseDocument(text, { schema: "failsafe", uniqueKeys: false, prettyErrors: false });
    const problems = document.errors.map((error) => ({
      offset: error.pos[0],
      message: error.code === "MULTIPLE_DOCS" ? "only one YAML document per file is read" : error.message,
    }));
    if (problems.length > 0) return { root: undefined, problems };
    const builder = new Builder();
    const root = builder.tree(document.contents, 0);
    return builder.problems.length > 0
      ? { root: undefined, problems: builder.problems }
      : { root, problems: [] };
  } catch (error) {
    if (error instanceof RangeError)
      return { root: undefined, problems: [{ offset: 0, message: "nested too deeply" }] };
    throw error;
  }
}

class Builder {
  readonly problems: SyntaxProblem[] = [];
  readonly #anchors = new Map<string, { tree: Tree; nodes: number }>();
  #nodes = 0;
  #depth = 0;

  tree(node: Node | null, fallbackStart: number): Tree {
    this.#nodes++;
    if (node === null) return { kind: "scalar", start: fallbackStart, value: null, source: "" };
    const start = node.range?.[0] ?? fallbackStart;
    if (yaml.isAlias(node)) return this.#alias(node.source, start);
    const before = this.#nodes;
    if (this.#depth === MAX_DEPTH) throw new RangeError("nested too deeply");
    this.#depth++;
    const tree = this.#plain(node, start);
    this.#depth--;
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, { tree, nodes: this.#nodes - before });
    return tree;
  }

  #plain(node: Node, start: number): Tree {
    if (yaml.isScalar(node)) return resolveScalar(node, start);
    if (yaml.isSeq(node)) {
      return { kind: "seq", start, items: node.items.map((item) => this.tree(item as Node | null, start)) };
    }
    if (yaml.isMap(node)) return this.#map(node, start);
    return { kind: "scalar", start, value: null, source: "" };
  }

  #alias(name: string, start: number): Tree {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      this.problems.push({ offset: start, message: `the alias *${name} has no anchor before it` });
      return { kind: "scalar", start, value: null, source: "" };
    }
    this.#nodes += target.nodes;
    if (this.#nodes > MAX_NODES) {
      if (this.problems.length === 0)
        this.problems.push({ offset: start, message: "aliases expand to too many values" });
      return { kind: "scalar", start, value: null, source: "" };
    }
    return target.tree;
  }

  #map(node: YAMLMap<unknown, unknown>, start: number): MapTree {
    const entries: Entry[] = [];
    const merges: Tree[] = [];
    for (const pair of node.items as Pair<Node | null, Node | null>[]) {
      const keyNode = pair.key;
      const keyStart = keyNode?.range?.[0] ?? start;
      const key = yaml.isAlias(keyNode) ? this.tree(keyNode, keyStart) : keyNode;
      if (key !== null && !yaml.isScalar(key) && (key as Tree).kind !== "scalar") {
        this.problems.push({ offset: keyStart, message: "a key must be a plain value" });
        continue;
      }
      const value = this.tree(pair.value, keyStart);
      const name = key === null ? "" : yaml.isScalar(key) ? keyText(key) : (key as ScalarTree).source;
      if (name === "<<" && yaml.isScalar(key) && key.type === "PLAIN") merges.push(value);
      else entries.push({ key: name, keyStart, value });
    }
    for (const merge of merges) this.#merge(entries, merge);
    return { kind: "map", start, entries };
  }

  #merge(entries: Entry[], from: Tree): void {
    const known = new Set(entries.map((entry) => entry.key));
    for (const source of from.kind === "seq" ? from.items : [from]) {
      if (source.kind !== "map") {
        this.problems.push({
          offset: source.start,
          message: "a merge key (<<) takes a map or a list of maps",
        });
        return;
      }
      for (const entry of source.entries) {
        if (known.has(entry.key)) continue;
        known.add(entry.key);
        entries.push({ ...entry, merged: true });
      }
    }
  }
}

function keyText(key: Scalar): string {
  return typeof key.value === "string" ? key.value : "";
}

function resolveScalar(node: Scalar, start: number): ScalarTree {
  const text = typeof node.value === "string" ? node.value : "";
  const plain = node.type === "PLAIN" || node.type === undefined;
  const value = plain && node.tag !== "tag:yaml.org,2002:str" ? resolvePlain(text) : text;
  return { kind: "scalar", start, value, source: text };
}

const NULLS = new Set(["", "~", "null", "Null", "NULL"]);
const BOOLEANS = new Map<string, boolean>();
for (const [yes, no] of [
  ["y", "n"],
  ["yes", "no"],
  ["true", "false"],
  ["on", "off"],
] as const) {
  for (const style of [
    (s: string) => s,
    (s: string) => s.toUpperCase(),
    (s: string) => s[0]!.toUpperCase() + s.slice(1),
  ]) {
    BOOLEANS.set(style(yes), true);
    BOOLEANS.set(style(no), false);
  }
}
const INTEGER = /^([+-]?)(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))$/;
const INT64_MAX = 2n ** 63n - 1n;

/** Envoy keeps integers beyond 32 bits as decimal text, which protobuf's JSON takes for every integer field. */
function resolvePlain(text: string): string | number | boolean | null {
  if (NULLS.has(text)) return null;
  const boolean = BOOLEANS.get(text);
  if (boolean !== undefined) return boolean;
  const match = INTEGER.exec(text);
  if (match === null) return text;
  const digits =
    match[2] ??
    (match[3] !== undefined && match[3] !== "0" ? `0o${match[3].slice(1)}` : (match[3] ?? match[4]!));
  const magnitude = BigInt(digits);
  const integer = match[1] === "-" ? -magnitude : magnitude;
  if (integer > INT64_MAX || integer < -INT64_MAX - 1n) return text;
  const number = Number(integer);
  return (number | 0) === number ? number : integer.toString();
}
