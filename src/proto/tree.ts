// What YAML and JSON text have in common once parsed: values with the offsets where they start. Built by yaml-tree.ts and
// json-tree.ts, read by message-reader.ts.

/** A parsed value. Offsets are counted in UTF-16 units from the start of the text. */
export type Tree = ScalarTree | MapTree | SeqTree;

export interface ScalarTree {
  kind: "scalar";
  start: number;
  value: string | number | boolean | null;
  /** The text as written, for 64-bit numbers and messages. */
  source: string;
}

export interface MapTree {
  kind: "map";
  start: number;
  /** In the order of the text; a key may occur more than once. */
  entries: Entry[];
}

export interface Entry {
  key: string;
  keyStart: number;
  value: Tree;
  /** Came through a YAML merge key, so that the map's own keys win silently. */
  merged?: boolean;
}

export interface SeqTree {
  kind: "seq";
  start: number;
  items: Tree[];
}

/** Something that makes the text unreadable, at an offset. */
export interface SyntaxProblem {
  offset: number;
  message: string;
}

/** The result of parsing text; `root` is missing only if there are problems. */
export interface Parsed {
  root: Tree | undefined;
  problems: SyntaxProblem[];
}

/** A plain JSON value of a tree. Later duplicates win. */
export function treeToJson(tree: Tree): JsonLike {
  switch (tree.kind) {
    case "scalar":
      return tree.value;
    case "seq":
      return tree.items.map(treeToJson);
    case "map":
      return Object.fromEntries(tree.entries.map((entry) => [entry.key, treeToJson(entry.value)]));
  }
}

export type JsonLike = null | boolean | number | string | JsonLike[] | { [key: string]: JsonLike };

/** How a message names a value: `the number 5`, `a list`. */
export function describeTree(tree: Tree): string {
  if (tree.kind === "map") return "a map";
  if (tree.kind === "seq") return "a list";
  if (tree.value === null) return "null";
  if (typeof tree.value === "string") return JSON.stringify(shorten(tree.value));
  return `the ${typeof tree.value} ${shorten(tree.source)}`;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
