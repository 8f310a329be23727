// YAML or JSON text → message, with every problem at once and its place in the text.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { MessageReader } from "./message-reader.ts";
import { formatPath } from "./path.ts";
import { formatProblem } from "./problem.ts";
import type { LoadProblem } from "./problem.ts";
import { parseJsonTree } from "./json-tree.ts";
import { schema } from "./registry.ts";
import type { MessageName, MessageOf } from "./registry.ts";
import { Layer, SourceMap } from "./source-map.ts";
import type { Tree } from "./tree.ts";
import { parseYamlTree } from "./yaml-tree.ts";

export interface LoadOptions {
  /** How problems name the text: a file name, or something like "--config-yaml". */
  file: string;
  /** Taken from the file name if missing: JSON for names that end in .json, YAML otherwise. */
  format?: "yaml" | "json";
}

export type Loaded<T> =
  | { message: T; partial: T; source: SourceMap; problems: readonly [] }
  /** `partial` is what could be read, to look for problems of other kinds; never to be used otherwise. */
  | { message: undefined; partial: T | undefined; source: SourceMap; problems: readonly LoadProblem[] };

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
  const layer = new Layer(options.file, text, parsed.root);
  const source = new SourceMap([layer]);
  if (parsed.root === undefined) {
    const problems = parsed.problems.map((p) => ({ ...layer.place(p.offset), path: "", message: p.message }));
    return { message: undefined, partial: undefined, source, problems };
  }
  const reader = new MessageReader();
  const message = read(reader, schema(name), parsed.root) as MessageOf<N> | undefined;
  if (message !== undefined && reader.problems.length === 0)
    return { message, partial: message, source, problems: [] };
  const found = reader.problems.toSorted((a, b) => a.offset - b.offset);
  return {
    message: undefined,
    partial: message,
    source,
    problems: found.map((p) => ({ ...layer.place(p.offset), path: formatPath(p.path), message: p.message })),
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

/** Chains of aliases can nest deeper than the text does. */
function read(reader: MessageReader, desc: DescMessage, root: Tree): Message | undefined {
  try {
    return reader.message(desc, root);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reader.problems.push({ offset: root.start, path: [], message: "nested too deeply" });
    return undefined;
  }
}
