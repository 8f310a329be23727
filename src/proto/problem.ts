// What is wrong with a text of the user, and where.
import { formatPath } from "./path.ts";
import type { Path } from "./path.ts";

/** Something wrong with a text. */
export interface LoadProblem {
  file: string;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 units. */
  column: number;
  /** The field, such as `node.id`; "" for the whole text. */
  path: string;
  /** What is wrong, without place: `unknown field "idd" in envoy.config.core.v3.Node (did you mean "id"?)`. */
  message: string;
}

/** Finds where a field of a loaded message was written. */
export interface SourceMap {
  readonly file: string;
  /** Place of the field, or of the innermost part around it that the text has. */
  locate(path: Path): { line: number; column: number };
}

/** One line: `Cannot load "x.yaml": line 12: unknown field "idd" in envoy.config.core.v3.Node (at node.idd)`. */
export function formatProblem(problem: LoadProblem): string {
  const at = problem.path === "" ? "" : ` (at ${problem.path})`;
  return `Cannot load "${problem.file}": line ${problem.line}: ${problem.message}${at}`;
}

/** A problem found later, in a message that was loaded from a text. */
export function problemAt(source: SourceMap, path: Path, message: string): LoadProblem {
  return { file: source.file, ...source.locate(path), path: formatPath(path), message };
}
