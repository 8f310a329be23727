// YAML or JSON text → message, with every problem at once and its place in the text.
import { MessageReader } from "./message-reader.ts";
import { formatPath } from "./path.ts";
import type { Path } from "./path.ts";
import { formatProblem } from "./problem.ts";
import type { LoadProblem, SourceMap } from "./problem.ts";
import { parseJsonTree } from "./json-tree.ts";
import { schema } from "./registry.ts";
import type { MessageName, MessageOf } from "./registry.ts";
import type { Tree } from "./tree.ts";
import { parseYamlTree } from "./yaml-tree.ts";

export interface LoadOptions {
  /** How problems name the text: a file name, or something like "--config-yaml". */
  file: string;
  /** Taken from the file name if missing: JSON for names that end in .json, YAML otherwise. */
  format?: "yaml" | "json";
}

export type Loaded<T> =
  | { message: T; source: SourceMap; problems: readonly [] }
  | { message: undefined; source: SourceMap; problems: readonly LoadProblem[] };

/** A text that cannot be used; `message` has one line per problem. */
export class LoadError extends Error {
  readonly problems: readonly LoadProblem[];

  constructor(problems: readonly LoadProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.name = "LoadError";
    this.problems = problems;
  }
}

/** Reads a message from text as Envoy's loader does. Never throws for what the text holds. */
export function loadMessage<N extends MessageName>(
  name: N,
  text: string,
  options: LoadOptions,
): Loaded<MessageOf<N>> {
  const format = options.format ?? (options.file.endsWith(".json") ? "json" : "yaml");
  const parsed = format === "json" ? parseJsonTree(text) : parseYamlTree(text);
  const source = new TextSource(options.file, text, parsed.root);
  if (parsed.root === undefined) {
    const problems = parsed.problems.map((p) => source.problem(p.offset, [], p.message));
    return { message: undefined, source, problems };
  }
  const reader = new MessageReader();
  const message = reader.message(schema(name), parsed.root) as MessageOf<N> | undefined;
  if (message !== undefined && reader.problems.length === 0) return { message, source, problems: [] };
  const found = reader.problems.toSorted((a, b) => a.offset - b.offset);
  return {
    message: undefined,
    source,
    problems: found.map((p) => source.problem(p.offset, p.path, p.message)),
  };
}

/** Like `loadMessage`, but throws a `LoadError` with all problems. */
export function loadOrThrow<N extends MessageName>(
  name: N,
  text: string,
  options: LoadOptions,
): { message: MessageOf<N>; source: SourceMap } {
  const loaded = loadMessage(name, text, options);
  if (loaded.message === undefined) throw new LoadError(loaded.problems);
  return { message: loaded.message, source: loaded.source };
}

class TextSource implements SourceMap {
  readonly file: string;
  readonly #text: string;
  readonly #root: Tree | undefined;
  #lineStarts: number[] | undefined;

  constructor(file: string, text: string, root: Tree | undefined) {
    this.file = file;
    this.#text = text;
    this.#root = root;
  }

  problem(offset: number, path: Path, message: string): LoadProblem {
    return { file: this.file, ...this.#place(offset), path: formatPath(path), message };
  }

  locate(path: Path): { line: number; column: number } {
    let tree = this.#root;
    let offset = tree?.start ?? 0;
    for (const part of path) {
      if (tree === undefined) break;
      const inside = step(tree, part);
      if (inside === undefined) break;
      offset = inside.offset;
      tree = inside.tree;
    }
    return this.#place(offset);
  }

  #place(offset: number): { line: number; column: number } {
    this.#lineStarts ??= lineStarts(this.#text);
    const starts = this.#lineStarts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  }
}

function step(tree: Tree, part: Path[number]): { tree: Tree; offset: number } | undefined {
  if (typeof part === "number") {
    const item = tree.kind === "seq" ? tree.items[part] : part === 0 ? tree : undefined;
    return item && { tree: item, offset: item.start };
  }
  if (tree.kind !== "map") return undefined;
  const entry =
    typeof part === "object"
      ? tree.entries.find((e) => e.key === part.key)
      : tree.entries.find((e) => e.key === part || snakeCase(e.key) === part);
  return entry && { tree: entry.value, offset: entry.keyStart };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  return starts;
}
