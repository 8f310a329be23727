import { formatProblem, problemAt } from "../../proto/problem.ts";
import type { SourceMap } from "../../proto/source-map.ts";
import { pathOf } from "../../proto/within.ts";

/** What is wrong with a static resource, with the file, the line and the path of the field where the Error happened. */
export function resourceProblem(error: Error, source: SourceMap): string {
  return formatProblem(problemAt(source, pathOf(error), error.message));
}
