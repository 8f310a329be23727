import type { DiscoverySourceDef } from "./source.ts";
import type { SourceOption } from "./source-options.ts";

/** What options can be told of. */
export type Described = Pick<DiscoverySourceDef, "name" | "options">;

/** One option in the words that help and documentation show. */
export interface OptionWords {
  readonly name: string;
  readonly meaning: string;
  /** "required", the default, or "" for none. */
  readonly fallback: string;
}

/** The options of a source, in words. */
export function describeOptions(source: Described): OptionWords[] {
  return Object.entries(source.options).map(([name, option]) => ({
    name,
    meaning: [option.description, ...remarks(option)].join("; "),
    fallback: option.required === true ? "required" : (option.default ?? ""),
  }));
}

/** The options of a source as a Markdown table. */
function renderOptions(source: Described): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = describeOptions(source).map(({ name, meaning, fallback }) => {
    const shown = fallback === "" || fallback === "required" ? fallback : `\`${fallback}\``;
    return `| \`${name}\` | ${cell(meaning)} | ${cell(shown)} |`;
  });
  return ["| option | meaning | default |", "|---|---|---|", ...rows].join("\n");
}

const MARK = /(<!-- options of (\w+) -->\n)[\s\S]*?(\n<!-- end -->)/g;

/** Writes the options of each source between its marks in a text; gives the text and the sources that have no marks. */
export function fillOptions(
  text: string,
  sources: readonly Described[],
): { text: string; missing: string[] } {
  const found = new Set<string>();
  const filled = text.replaceAll(MARK, (whole, begin: string, name: string, end: string) => {
    const source = sources.find((each) => each.name === name);
    if (source === undefined) return whole;
    found.add(name);
    return begin + renderOptions(source) + end;
  });
  return { text: filled, missing: sources.map(({ name }) => name).filter((name) => !found.has(name)) };
}

function remarks(option: SourceOption): string[] {
  const { kind, secret, choices } = option;
  return [
    ...(choices !== undefined && !choices.every((choice) => option.description.includes(choice))
      ? [choices.map((choice) => `\`${choice}\``).join(", ")]
      : []),
    ...(kind === "list" || kind === "pairs" ? ["list"] : []),
    ...(kind === "boolean" ? ["true or false"] : []),
    ...(secret === true ? ["`@FILE` reads it from a file"] : []),
  ];
}
