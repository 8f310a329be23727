import type { FormatValue, Formatter, OperatorDef, StreamInfo } from "../api.ts";
import { sortedJson } from "./sorted-json.ts";

/** One piece of a format: literal text, or an operator. */
export type FormatPart = string | { readonly get: Formatter; readonly maxLength: number | undefined };

export interface FormatOptions {
  /** Print nothing, not "-", for absent values. */
  readonly omitEmpty?: boolean;
}

/**
 * Compiles a format string such as `%REQ(:METHOD)% %RESPONSE_CODE%`. Absent values print "-". Throws an Error with
 * Envoy's text for unknown operators and bad syntax.
 */
export function compileFormat(
  text: string,
  operators: readonly OperatorDef[],
  options: FormatOptions = {},
): (info: StreamInfo) => string {
  const parts = parseFormat(text, operators);
  const absent = options.omitEmpty === true ? "" : "-";
  if (parts.length === 0) return () => "";
  if (parts.length === 1) {
    const only = parts[0]!;
    return typeof only === "string"
      ? () => only
      : (info) => formatText(only.get(info), absent, only.maxLength);
  }
  return (info) => {
    let out = "";
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      out += typeof part === "string" ? part : formatText(part.get(info), absent, part.maxLength);
    }
    return out;
  };
}

const OPERATOR = /%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d+))?%/y;

/** Splits a format string into literals and operators. */
export function parseFormat(text: string, operators: readonly OperatorDef[]): FormatPart[] {
  const parts: FormatPart[] = [];
  let literal = "";
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf("%", at);
    if (percent < 0) {
      literal += text.slice(at);
      break;
    }
    literal += text.slice(at, percent);
    if (text.charCodeAt(percent + 1) === 37) {
      literal += "%";
      at = percent + 2;
      continue;
    }
    OPERATOR.lastIndex = percent;
    const match = OPERATOR.exec(text);
    if (match === null)
      throw new Error(`Incorrect configuration: ${text}. Couldn't find valid command at position ${percent}`);
    if (literal !== "") parts.push(literal);
    literal = "";
    const maxLength = match[3] === undefined ? undefined : Number(match[3]);
    parts.push({ get: createOperator(match[1]!, match[2], operators), maxLength });
    at = OPERATOR.lastIndex;
  }
  if (literal !== "") parts.push(literal);
  return parts;
}

/** The operator of that name, with its argument. */
function createOperator(
  name: string,
  argument: string | undefined,
  operators: readonly OperatorDef[],
): Formatter {
  const found = operators.find((operator) => operator.name === name);
  if (found === undefined) throw new Error(`Not supported field in StreamInfo: ${name}`);
  return found.create(argument, operators);
}

/** A value as text formats print it. */
export function formatText(value: FormatValue, absent: string, maxLength: number | undefined): string {
  if (value === undefined) return absent;
  const text =
    typeof value === "string" ? value : typeof value === "object" ? sortedJson(value) : String(value);
  return maxLength !== undefined && text.length > maxLength ? text.slice(0, maxLength) : text;
}
