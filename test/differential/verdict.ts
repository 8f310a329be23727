import type { Case } from "./case.ts";
import { diffLines } from "./diff-lines.ts";
import { unmetExpectations } from "./record.ts";
import type { CaseRecord } from "./record.ts";
import type { CaseResult } from "./run-cases.ts";

/** Judges a case; undefined when all is well, else a text that says what is wrong. `ours` is undefined in a sanity run. */
export function verdict(entry: Case, envoy: CaseResult, ours: CaseResult | undefined): string | undefined {
  if ("error" in envoy) return `Real Envoy could not play this case: ${envoy.error}`;
  const sanity = problemsOf(entry, envoy.record);
  if (sanity.length > 0) {
    return `Real Envoy does not do what the case expects:\n${sanity.join("\n")}\n${envoy.record.lines.join("\n")}`;
  }
  if (ours === undefined) return undefined;
  if (entry.unsupported !== undefined) return refusalVerdict(entry.unsupported, ours);
  if ("error" in ours) return `Weft could not play this case: ${ours.error}`;
  if (entry.kind === "validate") {
    const problems = refusalProblems(entry, ours.record);
    if (problems.length === 0) return undefined;
    return `Weft judges this configuration differently:\n${problems.join("\n")}\n${ours.record.lines.join("\n")}`;
  }
  if (entry.deviates !== undefined) return deviationVerdict(entry.deviates, ours.record);
  const difference = diffLines(envoy.record.lines, ours.record.lines);
  const unmet = problemsOf(entry, ours.record);
  if (difference.length === 0 && unmet.length > 0)
    return `Weft does not do what the case expects:\n${unmet.join("\n")}`;
  if (difference.length === 0) return undefined;
  return `Weft differs from real Envoy (- Envoy, + Weft):\n${difference.join("\n")}`;
}

/** A configuration that is not supported must be refused by name, never taken silently. */
function refusalVerdict(name: string, ours: CaseResult): string | undefined {
  const text = "error" in ours ? ours.error : ours.record.lines.join("\n");
  if (text.startsWith("exit code 0"))
    return `Weft takes ${name} now: compare it, remove "unsupported" from the case.`;
  return text.includes(name) ? undefined : `Weft does not refuse ${name} by name:\n${text}`;
}

function deviationVerdict(wanted: NonNullable<Case["deviates"]>, record: CaseRecord): string | undefined {
  const { status, contains } = wanted;
  const problems = unmetExpectations({ status, contains, absent: [] }, record);
  if (problems.length === 0) return undefined;
  return `Weft does not deviate as wanted (${wanted.reason}):\n${problems.join("\n")}\n${record.lines.join("\n")}`;
}

/** Our refusals must name the same things; a field may be written `StatPrefix` or `stat_prefix`. */
function refusalProblems(entry: Case, record: CaseRecord): string[] {
  const plain = (text: string): string => text.toLowerCase().replaceAll("_", "");
  const contains = (entry.expect.weft_contains ?? entry.expect.contains).map(plain);
  const lines = record.lines.map(plain);
  return problemsOf({ ...entry, expect: { ...entry.expect, contains } }, { ...record, lines });
}

function problemsOf(entry: Case, record: CaseRecord): string[] {
  const problems = unmetExpectations(entry.expect, record);
  const { code } = entry.expect;
  const got = record.lines[0];
  if (code !== undefined && got !== `exit code ${code}`)
    problems.push(`expected exit code ${code}, got ${got}`);
  return problems;
}
