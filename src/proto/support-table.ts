// The ledger as documentation: which messages and fields are supported, and which are not.
import { declaredFields } from "./unsupported.ts";
import type { Ledger } from "./ledger.ts";
import { findSchema } from "./registry.ts";

/** A Markdown table per message type of the ledgers, sorted by name. Throws if a ledger names what Envoy's API has not. */
export function renderSupport(ledgers: readonly Ledger[]): string {
  const wrong = ledgerProblems(ledgers);
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return typesOf(ledgers)
    .map((type) => renderType(type, ledgers))
    .join("\n");
}

/** Names in the ledgers that Envoy's API does not have: types, fields, enum values. Empty if all is well. */
export function ledgerProblems(ledgers: readonly Ledger[]): string[] {
  const problems: string[] = [];
  for (const type of typesOf(ledgers)) {
    const desc = findSchema(type);
    const fields = declaredFields(type, ledgers);
    if (desc === undefined) problems.push(`The ledger names ${type}, which is not a message of Envoy's API`);
    if (desc === undefined || fields === undefined || fields === "all") continue;
    for (const [name, support] of fields) {
      const field = desc.fields.find((candidate) => candidate.name === name);
      if (field === undefined)
        problems.push(`The ledger names ${type}.${name}, which is not a field of Envoy's API`);
      if (field?.enum === undefined || typeof support === "string" || !("values" in support)) continue;
      for (const value of support.values) {
        if (field.enum.values.some((known) => known.name === value)) continue;
        problems.push(`The ledger names ${value}, which is not a value of ${type}.${name}`);
      }
    }
  }
  return problems;
}

function typesOf(ledgers: readonly Ledger[]): string[] {
  return [...new Set(ledgers.flatMap((ledger) => Object.keys(ledger)))].sort();
}

function renderType(type: string, ledgers: readonly Ledger[]): string {
  const desc = findSchema(type)!;
  const fields = declaredFields(type, ledgers)!;
  const title = `### ${type}\n`;
  if (fields === "all") return `${title}\nAll fields are supported.\n`;
  const rows: string[] = [];
  for (const field of desc.fields) {
    const support = fields.get(field.name);
    if (support === undefined) continue;
    if (typeof support === "string") rows.push(`| \`${field.name}\` | yes |`);
    else if ("values" in support)
      rows.push(`| \`${field.name}\` | ${support.values.map((v) => `\`${v}\``).join(", ")} |`);
    else rows.push(`| \`${field.name}\` | ignored: ${support.ignored.replaceAll("|", "\\|")} |`);
  }
  const missing = desc.fields
    .filter((field) => !fields.has(field.name) && !field.deprecated)
    .map((f) => `\`${f.name}\``);
  const deprecated = desc.fields
    .filter((field) => !fields.has(field.name) && field.deprecated)
    .map((f) => `\`${f.name}\``);
  const parts = [title];
  if (rows.length > 0) parts.push(`| field | supported |\n| --- | --- |\n${rows.join("\n")}\n`);
  if (missing.length > 0) parts.push(`Not supported: ${missing.join(", ")}.\n`);
  if (deprecated.length > 0) parts.push(`Not supported and deprecated: ${deprecated.join(", ")}.\n`);
  return parts.join("\n");
}
