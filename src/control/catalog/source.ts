import { commonOptions, mergeRule, type CommonValues } from "./common-options.ts";
import type { Reading } from "../model.ts";
import type { MergeRule } from "./source-merge.ts";
import { parseOptions, type OptionTable, type OptionValues } from "./source-options.ts";

/** What a source gets to work with. */
export interface SourceContext {
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly log: SourceLog;
  /** Tells why something that the place knows of is no endpoint, without logging it; undefined takes it back. */
  readonly note?: (subject: string, reason: string | undefined) => void;
  /** First pause after a failure, in milliseconds; later ones are longer. */
  readonly retryMs?: number;
}

export interface SourceLog {
  info(message: string): void;
  warn(message: string): void;
}

/**
 * A kind of place that knows where services live. `watch` yields everything the place knows, again and again, whenever
 * it changed or could not be read; it never throws for that and ends only when the signal says so. Comparing, holding
 * and merging is not its business.
 */
export interface DiscoverySourceDef {
  /** "registry", "file": the word in `--source registry:url=…`. */
  readonly name: string;
  /** What it reads, in one sentence. */
  readonly description: string;
  readonly options: OptionTable;
  /** Throws an Error for values that the table lets pass and that make no sense. */
  check?(options: OptionValues): void;
  watch(options: OptionValues, context: SourceContext): AsyncIterable<Reading>;
}

/** A source whose option values have the types that its table says. */
export function defineSource<const T extends OptionTable>(source: {
  readonly name: string;
  readonly description: string;
  readonly options: T;
  check?(options: OptionValues<T>): void;
  watch(options: OptionValues<T>, context: SourceContext): AsyncIterable<Reading>;
}): DiscoverySourceDef {
  return {
    ...source,
    check: (options) => source.check?.(options as OptionValues<T>),
    watch: (options, context) => source.watch(options as OptionValues<T>, context),
  };
}

/** A source as `--source` asks for it. */
export interface ParsedSource {
  readonly source: DiscoverySourceDef;
  readonly options: OptionValues;
  /** What it is to be called; "" = by its kind. */
  readonly as: string;
  readonly rule: MergeRule;
}

/**
 * Reads `NAME:option=value,option=value` as given to `--source`; options that are not there come from the environment.
 * Throws an Error that names what is wrong and what is allowed.
 */
export function parseSource(
  text: string,
  sources: readonly DiscoverySourceDef[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): ParsedSource {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const source = sources.find((each) => each.name === name);
  const names = sources.map((each) => each.name).join(", ");
  if (source === undefined) throw new Error(`Cannot use source "${name}": it must be one of ${names}`);
  const table = { ...source.options, ...commonOptions };
  const values = parseOptions(name, table, colon < 0 ? "" : text.slice(colon + 1), env) as OptionValues &
    CommonValues;
  try {
    source.check?.(values);
    return { source, options: values, as: values.as, rule: mergeRule(values) };
  } catch (error) {
    throw new Error(`Cannot use source "${name}": ${(error as Error).message}`, { cause: error });
  }
}

/** A name for each source, unlike all others: what it is called, else its kind, with a number from the second on. */
export function sourceNames(parsed: readonly ParsedSource[]): string[] {
  const names: string[] = [];
  for (const [i, { source, as }] of parsed.entries()) {
    const name =
      as ||
      (parsed.findIndex((each) => each.source === source) === i ? source.name : `${source.name}-${i + 1}`);
    if (names.includes(name))
      throw new Error(`Cannot use two sources called "${name}": give one another name with as=NAME`);
    names.push(name);
  }
  return names;
}
