/** How the text of an option is read. "duration" gives milliseconds; everything else is what it says. */
export type OptionKind = "text" | "url" | "path" | "number" | "duration" | "boolean" | "list" | "pairs";

/** One option of a source: its flag, environment variable, check and documentation come from this alone. */
export interface SourceOption {
  readonly description: string;
  /** "text" when not given. "pairs" is a list whose items may hold "=". */
  readonly kind?: OptionKind;
  readonly required?: boolean;
  /** As a user would write it. Without one: "", 0, false or the empty list. */
  readonly default?: string;
  readonly choices?: readonly string[];
  /** Never shown, and `@FILE` reads it from a file whenever it is used. */
  readonly secret?: boolean;
  /** Least and greatest number; of durations in milliseconds. */
  readonly min?: number;
  readonly max?: number;
}

/** The options of a source by name, in the order they are documented. */
export type OptionTable = Readonly<Record<string, SourceOption>>;

export type OptionValue = string | number | boolean | readonly string[];

/** Checked values by option name; every option of the table has one. */
export type OptionValues<T extends OptionTable = OptionTable> = {
  readonly [K in keyof T]: ValueOf<T[K]>;
};

type ValueOf<O extends SourceOption> = SourceOption extends O
  ? OptionValue
  : O extends { kind: "number" | "duration" }
    ? number
    : O extends { kind: "boolean" }
      ? boolean
      : O extends { kind: "list" | "pairs" }
        ? readonly string[]
        : string;

/** `WEFT_<SOURCE>_<OPTION>`: the environment variable of an option. */
export function optionVariable(source: string, option: string): string {
  return `WEFT_${source}_${option}`.replaceAll(/[^A-Za-z0-9]+/g, "_").toUpperCase();
}

/**
 * Reads `option=value,option=value`, then the environment, then the defaults. A list goes on after a comma until the
 * next option begins, or the option is repeated; `\,` is a comma that separates nothing.
 * Throws an Error that names the option and what is allowed; values are never shown, since they may be secret.
 */
export function parseOptions<T extends OptionTable>(
  source: string,
  table: T,
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): OptionValues<T> {
  const given = split(source, table, text);
  const values: Record<string, OptionValue> = {};
  for (const [name, option] of Object.entries(table)) {
    const variable = env[optionVariable(source, name)];
    const raw =
      given.get(name) ?? (variable === undefined || variable === "" ? undefined : itemsOf(option, variable));
    if (raw === undefined && option.required === true) {
      throw new Error(
        `Cannot use source "${source}": option "${name}" is missing (${option.description}); ` +
          `give ${name}=… or ${optionVariable(source, name)}`,
      );
    }
    const items = raw ?? (option.default === undefined ? undefined : itemsOf(option, option.default));
    values[name] = items === undefined ? emptyOf(option) : valueOf(source, name, option, items);
  }
  return values as OptionValues<T>;
}

function isList({ kind }: SourceOption): boolean {
  return kind === "list" || kind === "pairs";
}

function itemsOf(option: SourceOption, text: string): string[] {
  return isList(option)
    ? splitCommas(text)
        .map((item) => item.trim())
        .filter((item) => item !== "")
    : [text];
}

function split(source: string, table: OptionTable, text: string): Map<string, string[]> {
  const given = new Map<string, string[]>();
  let last = "";
  for (const part of text === "" ? [] : splitCommas(text)) {
    const equals = part.indexOf("=");
    const name = equals < 0 ? "" : part.slice(0, equals);
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option !== undefined) {
      const value = part.slice(equals + 1);
      if (!isList(option) && given.has(name))
        throw new Error(`Cannot use source "${source}": option "${name}" is given twice`);
      given.set(name, [...(given.get(name) ?? []), ...(isList(option) && value === "" ? [] : [value])]);
      last = name;
      continue;
    }
    const list = last === "" ? undefined : table[last]!;
    if (list?.kind === "pairs" || (list?.kind === "list" && equals < 0)) given.get(last)!.push(part);
    else {
      const allowed = Object.keys(table)
        .map((each) => `${each}=…`)
        .join(", ");
      // What has no "=" may be the rest of a secret with a comma in it.
      const what = equals < 0 ? `a part after "${last || source}"` : `"${name}"`;
      throw new Error(`Cannot use source "${source}": ${what} is not one of ${allowed || "no options"}`);
    }
  }
  return given;
}

function splitCommas(text: string): string[] {
  return text.split(/(?<!\\),/).map((part) => part.replaceAll("\\,", ","));
}

function emptyOf(option: SourceOption): OptionValue {
  if (isList(option)) return [];
  if (option.kind === "number" || option.kind === "duration") return 0;
  return option.kind === "boolean" ? false : "";
}

function valueOf(source: string, name: string, option: SourceOption, items: string[]): OptionValue {
  const fail = (wanted: string): never => {
    throw new Error(`Cannot use source "${source}": option "${name}" must be ${wanted}`);
  };
  if (isList(option)) return items;
  const text = items[0]!;
  if (option.choices !== undefined && !option.choices.includes(text))
    return fail(`one of ${option.choices.join(", ")}`);
  switch (option.kind) {
    case "number":
    case "duration": {
      const value = option.kind === "number" ? (text === "" ? Number.NaN : Number(text)) : duration(text);
      const { min = 0, max = Number.POSITIVE_INFINITY } = option;
      const unit = option.kind === "number" ? "" : " ms";
      if (!(value >= min && value <= max)) {
        const limit = max === Number.POSITIVE_INFINITY ? "" : ` and at most ${max}${unit}`;
        return fail(
          `a ${option.kind === "number" ? "number" : 'time such as "30s", "500ms" or "2m"'}, ` +
            `at least ${min}${unit}${limit}`,
        );
      }
      return value;
    }
    case "boolean":
      return text === "true" || text === "1"
        ? true
        : text === "false" || text === "0"
          ? false
          : fail("true or false");
    case "url":
      return text === "" || isUrl(text)
        ? text
        : fail("a URL such as http://127.0.0.1:8500 or unix:///run/x.sock");
    default:
      return text === "" && option.required === true ? fail("something") : text;
  }
}

function isUrl(text: string): boolean {
  return URL.canParse(text) && ["http:", "https:", "unix:"].includes(new URL(text).protocol);
}

/** Milliseconds; a number without a unit means seconds. */
function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) return Number.NaN;
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return Math.round(Number(match[1]) * units[(match[2] ?? "s") as keyof typeof units]);
}
