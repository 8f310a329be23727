import type { OperatorDef, StreamInfo } from "../api.ts";
import { formatText, parseFormat, type FormatOptions, type FormatPart } from "./format.ts";
import { sortedJson } from "./sorted-json.ts";

/** Appends the JSON of one node; undefined = leave the key out. */
type JsonNode = (info: StreamInfo) => string | undefined;

/**
 * Compiles a `json_format`: keys come out sorted, a value that is one operator keeps the operator's type and prints
 * null when absent, mixed texts print as strings. One object without a line feed.
 */
export function compileJsonFormat(
  json: unknown,
  operators: readonly OperatorDef[],
  options: FormatOptions = {},
): (info: StreamInfo) => string {
  const root = compileNode(json, operators, options.omitEmpty === true);
  return (info) => root(info) ?? "{}";
}

function compileNode(json: unknown, operators: readonly OperatorDef[], omitEmpty: boolean): JsonNode {
  if (typeof json === "string") return compileText(parseFormat(json, operators), omitEmpty);
  if (Array.isArray(json)) return compileList(json.map((each) => compileNode(each, operators, omitEmpty)));
  if (typeof json === "object" && json !== null) return compileObject(json, operators, omitEmpty);
  const literal = JSON.stringify(json);
  return () => literal;
}

function compileObject(json: object, operators: readonly OperatorDef[], omitEmpty: boolean): JsonNode {
  const sorted = Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const keys = sorted.map(([key]) => JSON.stringify(key) + ":");
  const values = sorted.map(([, value]) => compileNode(value, operators, omitEmpty));
  return (info) => {
    let out = "{";
    for (let i = 0; i < keys.length; i++) {
      const value = values[i]!(info);
      if (value !== undefined) out += (out === "{" ? "" : ",") + keys[i]! + value;
    }
    return out + "}";
  };
}

function compileList(items: readonly JsonNode[]): JsonNode {
  return (info) => "[" + items.map((item) => item(info) ?? "null").join(",") + "]";
}

function compileText(parts: readonly FormatPart[], omitEmpty: boolean): JsonNode {
  const only = parts[0];
  if (parts.length === 1 && typeof only === "object") {
    return (info) => {
      const value = only.get(info);
      if (value === undefined) return omitEmpty ? undefined : "null";
      if (typeof value === "string") return JSON.stringify(formatText(value, "", only.maxLength));
      return sortedJson(value);
    };
  }
  const absent = omitEmpty ? "" : "-";
  return (info) => {
    let out = "";
    for (const part of parts)
      out += typeof part === "string" ? part : formatText(part.get(info), absent, part.maxLength);
    return JSON.stringify(out);
  };
}
