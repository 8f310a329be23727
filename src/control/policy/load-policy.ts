import {
  ConfigError,
  formatConfigProblem,
  readConfig,
  type ConfigPlaces,
  type ConfigProblem,
} from "../../base/load-config.ts";
import { readPatches, type PolicyPatch } from "./envoy-patches.ts";
import { meshPolicySchema, type MeshPolicy } from "./mesh-policy.ts";
import { referenceProblems } from "./reference-problems.ts";

/** Reads the text of a mesh policy. Throws a ConfigError with every problem as `Cannot load "FILE": line N: FIELD: what is wrong`. */
export function loadPolicy(text: string, file: string): MeshPolicy {
  const { policy, problems } = readPolicyText(text);
  if (policy !== undefined && problems.length === 0) return policy;
  throw new ConfigError(problems.map((problem) => formatConfigProblem(problem, file)));
}

/** A policy and all that is wrong with its text; it is there if the text could be understood, and only good without problems. */
export function readPolicyText(text: string): {
  policy: MeshPolicy | undefined;
  problems: readonly ConfigProblem[];
  places: ConfigPlaces;
} {
  const { data, problems, places } = readConfig(meshPolicySchema, text);
  // A file caught while it is written must not pass for a policy of defaults, which has no routes.
  if (text.trim() === "") {
    const message = 'it is empty; write "edge: {}" for all defaults';
    return { policy: undefined, problems: [{ line: 0, field: "", message }], places };
  }
  const unreadable = data === undefined && problems.every(({ field }) => field === "");
  if (unreadable) return { policy: undefined, problems, places };
  const { patches, problems: more } = readPatches(text);
  if (data === undefined) return { policy: undefined, problems: byLine([...problems, ...more]), places };
  for (const patch of patches) put(data, patch);
  const wrong = referenceProblems(data).map(({ path, message }) => places.problem(path, message));
  return { policy: data, problems: byLine([...more, ...wrong]), places };
}

function byLine(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return problems.toSorted((a, b) => a.line - b.line);
}

/** Puts a patch as Envoy understands it in the place of what was written. */
function put(policy: MeshPolicy, { path, json }: PolicyPatch): void {
  let at = policy as unknown as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) at = at[part] as typeof at;
  at[path.at(-1)!] = json;
}
