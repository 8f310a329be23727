import { LineCounter, parseDocument, type Document } from "yaml";

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

/** The part of a zod schema that is used here. */
export interface ConfigSchema<T> {
  safeParse(
    value: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: readonly Issue[] } };
}

/** All that is wrong with one configuration file, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * Parses YAML or JSON text of one of our own configuration files and checks it against a schema.
 * Throws a ConfigError with every problem as `Cannot load "FILE": line N: FIELD: what is wrong`.
 */
export function loadConfig<T>(schema: ConfigSchema<T>, text: string, file: string): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(
        (error) => `Cannot load "${file}": line ${lines.linePos(error.pos[0]).line}: ${error.message}`,
      ),
    );
  }
  const result = schema.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.flatMap((issue) => describe(issue, document, lines, file)));
}

function describe(issue: Issue, document: Document, lines: LineCounter, file: string): string[] {
  const unknown = issue.code === "unrecognized_keys" ? (issue.keys ?? []) : [];
  if (unknown.length > 0) {
    return unknown.map((key) => {
      const path = [...issue.path, key];
      return `Cannot load "${file}": ${place(path, document, lines)}unknown field "${key}"`;
    });
  }
  return [`Cannot load "${file}": ${place(issue.path, document, lines)}${issue.message}`];
}

/** `line N: a.b[0]: `, the line being that of the deepest part of the path that the file has. */
function place(path: readonly PropertyKey[], document: Document, lines: LineCounter): string {
  const field = path.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`,
    "",
  );
  for (let length = path.length; length > 0; length--) {
    const offset = offsetOf(path.slice(0, length), document);
    if (offset !== undefined) return `line ${lines.linePos(offset).line}: ${field}: `;
  }
  return field === "" ? "" : `${field}: `;
}

function offsetOf(path: readonly PropertyKey[], document: Document): number | undefined {
  const parent = (path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)) as {
    items?: { key?: { value?: unknown; range?: readonly number[] }; range?: readonly number[] }[];
  } | null;
  const last = path.at(-1);
  const pair = parent?.items?.find((item) => item.key?.value === last);
  const item = pair?.key ?? (typeof last === "number" ? parent?.items?.[last] : undefined);
  return item?.range?.[0];
}
