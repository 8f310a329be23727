import type { Reading } from "./model.ts";

/** What a source gets to work with. */
export interface SourceContext {
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly log: SourceLog;
}

export interface SourceLog {
  info(message: string): void;
  warn(message: string): void;
}

/** One option of a source; command-line flag, documentation and check come from it. */
export interface SourceOption {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
}

/**
 * A kind of place that knows where services live. `watch` yields everything the place knows, again and again, whenever
 * it changed or could not be read; it never throws for that and ends only when the signal says so. Comparing, holding
 * and merging is not its business.
 */
export interface DiscoverySourceDef {
  /** "registry", "file": the word in `--source registry:url=…`. */
  readonly name: string;
  readonly options: readonly SourceOption[];
  watch(options: Readonly<Record<string, string>>, context: SourceContext): AsyncIterable<Reading>;
}

/**
 * Reads `NAME:option=value,option=value` as given to `--source`.
 * Throws an Error that names what is wrong and what is allowed.
 */
export function parseSource(
  text: string,
  sources: readonly DiscoverySourceDef[],
): { source: DiscoverySourceDef; options: Record<string, string> } {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const source = sources.find((each) => each.name === name);
  const names = sources.map((each) => each.name).join(", ");
  if (source === undefined) throw new Error(`Cannot use source "${name}": it must be one of ${names}`);
  const options: Record<string, string> = {};
  for (const part of colon < 0 ? [] : text.slice(colon + 1).split(",")) {
    const equals = part.indexOf("=");
    const key = equals < 0 ? part : part.slice(0, equals);
    if (equals < 0 || !source.options.some((option) => option.name === key)) {
      const allowed = source.options.map((option) => `${option.name}=…`).join(", ");
      throw new Error(`Cannot use source "${text}": "${part}" is not one of ${allowed}`);
    }
    options[key] = part.slice(equals + 1);
  }
  for (const option of source.options) {
    if (option.required && options[option.name] === undefined) {
      throw new Error(
        `Cannot use source "${text}": option "${option.name}" is missing (${option.description})`,
      );
    }
  }
  return { source, options };
}
