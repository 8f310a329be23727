import { LineCounter, parseDocument, type Document } from "yaml";
import { nearest } from "./nearest.ts";

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

/** What zod tells of a problem while it looks for more. */
interface RawIssue {
  readonly code?: string | undefined;
  readonly keys?: readonly string[];
  readonly inst?: unknown;
  /** Of "invalid_type": what the field takes, and what it has. */
  readonly expected?: string;
  readonly input?: unknown;
}

/** The part of a zod schema that is used here. */
export interface ConfigSchema<T> {
  safeParse(
    value: unknown,
    params?: { error: (issue: RawIssue) => string | undefined },
  ): { success: true; data: T } | { success: false; error: { issues: readonly Issue[] } };
}

/** One thing that is wrong with a configuration file. */
export interface ConfigProblem {
  /** Counts from 1; 0 when no line is to blame. */
  readonly line: number;
  /** `a.b[0]`; "" for the file as a whole. */
  readonly field: string;
  readonly message: string;
}

const EXPECTED: Readonly<Record<string, string>> = {
  array: "a list",
  object: "a mapping",
  record: "a mapping",
  string: "a text",
  number: "a number",
  boolean: "true or false",
};

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
  const { data, problems } = readConfig(schema, text);
  if (data !== undefined) return data;
  throw new ConfigError(problems.map((problem) => formatConfigProblem(problem, file)));
}

/** Like loadConfig, for callers that look for more problems of their own. `data` is there if there are no problems. */
export function readConfig<T>(
  schema: ConfigSchema<T>,
  text: string,
): { data: T | undefined; problems: readonly ConfigProblem[]; places: ConfigPlaces } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const places = new ConfigPlaces(document, lines);
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      line: lines.linePos(error.pos[0]).line,
      field: "",
      message: error.message,
    }));
    return { data: undefined, problems, places };
  }
  const fields = new Map<readonly string[], readonly string[]>();
  const result = schema.safeParse(document.toJS() ?? {}, {
    error(issue) {
      const shape = (issue.inst as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape;
      if (issue.keys !== undefined && shape !== undefined) fields.set(issue.keys, Object.keys(shape));
      return absence(issue);
    },
  });
  if (result.success) return { data: result.data, problems: [], places };
  const problems = result.error.issues.flatMap((issue) => describe(issue, fields, places));
  return { data: undefined, problems: problems.toSorted((a, b) => a.line - b.line), places };
}

/** One line: `Cannot load "FILE": line N: FIELD: what is wrong`. */
export function formatConfigProblem({ line, field, message }: ConfigProblem, file: string): string {
  return `Cannot load "${file}": ${line === 0 ? "" : `line ${line}: `}${field === "" ? "" : `${field}: `}${message}`;
}

/** Where the fields of a configuration file are. */
export class ConfigPlaces {
  readonly #document: Document;
  readonly #lines: LineCounter;

  constructor(document: Document, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  /** A problem of a field, at the line of the deepest part of its path that the file has. */
  problem(path: readonly PropertyKey[], message: string): ConfigProblem {
    const field = path.reduce<string>(
      (text, key) =>
        typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`,
      "",
    );
    for (let length = path.length; length > 0; length--) {
      const offset = offsetOf(path.slice(0, length), this.#document);
      if (offset !== undefined) return { line: this.#lines.linePos(offset).line, field, message };
    }
    return { line: 0, field, message };
  }
}

function describe(
  issue: Issue,
  fields: ReadonlyMap<readonly string[], readonly string[]>,
  places: ConfigPlaces,
): ConfigProblem[] {
  const unknown = issue.code === "unrecognized_keys" ? (issue.keys ?? []) : [];
  if (unknown.length === 0) return [places.problem(issue.path, issue.message)];
  return unknown.map((key) => {
    const meant = nearest(key, fields.get(issue.keys!) ?? []);
    const suggestion = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
    return places.problem([...issue.path, key], `unknown field "${key}"${suggestion}`);
  });
}

/** In words of the file what zod calls undefined or null; undefined = the field is there. */
function absence({ code, expected = "", input }: RawIssue): string | undefined {
  if (code !== "invalid_type" || (input !== undefined && input !== null)) return undefined;
  return `is ${input === null ? "empty" : "missing"}; it takes ${EXPECTED[expected] ?? expected}`;
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
