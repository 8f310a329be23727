// What is wrong with a text of the user, and where.
import { formatPath } from "./path.ts";
import type { Path } from "./path.ts";
import type { Place, SourceMap } from "./source-map.ts";

/** Something wrong with a text, and its place. */
export interface LoadProblem extends Place {
  /** The field, such as `node.id`; "" for the whole text. */
  path: string;
  /** What is wrong, without place: `unknown field "idd" in envoy.config.core.v3.Node (did you mean "id"?)`. */
  message: string;
}

/** One line: `Cannot load "x.yaml": line 12: unknown field "idd" in envoy.config.core.v3.Node (at node.idd)`. */
export function formatProblem(problem: LoadProblem): string {
  const at = problem.path === "" ? "" : ` (at ${problem.path})`;
  return `Cannot load "${problem.file}": line ${problem.line}: ${problem.message}${at}`;
}

/** A problem found later, in a message that was loaded from a text. */
export function problemAt(source: SourceMap, path: Path, message: string): LoadProblem {
  return { ...source.locate(path), path: formatPath(path), message };
}
