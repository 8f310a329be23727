// The validate.rules options of Envoy's API (protoc-gen-validate), compiled to functions that name what is wrong in the words
// of Envoy's generated checks. Covers every kind of rule that occurs in the descriptor set.
import { getOption, hasOption } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescOneof } from "@bufbuild/protobuf";
import { registry } from "./registry.ts";
import type { MessageOf } from "./registry.ts";

export type FieldRules = MessageOf<"validate.FieldRules">;
/** What is wrong with a value, or undefined. */
export type ValueCheck = (value: unknown) => string | undefined;

/** The rules of a field, if it has any. */
export function rulesOf(field: DescField): FieldRules | undefined {
  const option = registry().getExtension("validate.rules")!;
  return hasOption(field, option) ? (getOption(field, option) as FieldRules) : undefined;
}

/** True if one of the oneof's fields must be set. */
export function isRequiredOneof(oneof: DescOneof): boolean {
  const option = registry().getExtension("validate.required")!;
  return hasOption(oneof, option) && getOption(oneof, option) === true;
}

/** True if the rules demand that the message field is set. */
export function isRequired(rules: FieldRules | undefined): boolean {
  if (rules?.message?.required) return true;
  return (rules?.type.case === "duration" || rules?.type.case === "any") && rules.type.value.required;
}

/** The check of a single value (of a field, an element, a map key): undefined if its rules never fail. */
export function valueCheck(
  rules: FieldRules | undefined,
  type: DescEnum | undefined,
): ValueCheck | undefined {
  switch (rules?.type.case) {
    case "string":
      return stringCheck(rules.type.value);
    case "bytes":
      return bytesCheck(rules.type.value);
    case "bool":
      return boolCheck(rules.type.value);
    case "enum":
      return enumCheck(rules.type.value, type);
    case "duration":
      return durationCheck(rules.type.value);
    case "float":
    case "double":
    case "int32":
    case "int64":
    case "uint32":
    case "uint64":
      return numberCheck(rules.type.value);
    default:
      return undefined;
  }
}

/** The check of a list's or map's size. */
export function sizeRule(rules: FieldRules | undefined): ((size: number) => string | undefined) | undefined {
  if (rules?.type.case === "repeated")
    return sizeCheck(rules.type.value.minItems, rules.type.value.maxItems, "item(s)");
  if (rules?.type.case === "map")
    return sizeCheck(rules.type.value.minPairs, rules.type.value.maxPairs, "pair(s)");
  return undefined;
}

/** What Envoy says of a missing field: for wrappers with a rule on their value it is another sentence. */
export function requiredText(rules: FieldRules | undefined): string {
  const onValue =
    rules?.type.case !== undefined && rules.type.case !== "duration" && rules.type.case !== "any";
  return onValue ? "value is required and must not be nil." : "value is required";
}

type Rules<C extends string> = Extract<FieldRules["type"], { case: C }>["value"];

function stringCheck(rules: Rules<"string">): ValueCheck | undefined {
  const checks: ((text: string) => string | undefined)[] = [];
  const { minLen, maxLen, minBytes, maxBytes, prefix, suffix } = rules;
  const length = has(rules, "len")
    ? `must be ${rules.len} characters`
    : between(has(rules, "minLen"), minLen, has(rules, "maxLen"), maxLen, "characters");
  if (length !== undefined) {
    const [min, max] = has(rules, "len")
      ? [Number(rules.len), Number(rules.len)]
      : [Number(minLen), has(rules, "maxLen") ? Number(maxLen) : Infinity];
    checks.push((text) => {
      const size = characters(text, max);
      return size < min || size > max ? `value length ${length}` : undefined;
    });
  }
  const bytes = between(has(rules, "minBytes"), minBytes, has(rules, "maxBytes"), maxBytes, "bytes");
  if (bytes !== undefined) {
    const max = has(rules, "maxBytes") ? Number(maxBytes) : Infinity;
    checks.push((text) => {
      // A UTF-16 unit makes one to three bytes.
      if (text.length >= Number(minBytes) && text.length * 3 <= max) return undefined;
      const size = Buffer.byteLength(text);
      return size < Number(minBytes) || size > max ? `value length ${bytes}` : undefined;
    });
  }
  if (has(rules, "prefix"))
    checks.push((t) => (t.startsWith(prefix) ? undefined : `value does not have prefix ${quote(prefix)}`));
  if (has(rules, "suffix"))
    checks.push((t) => (t.endsWith(suffix) ? undefined : `value does not have suffix ${quote(suffix)}`));
  checks.push(...listChecks<string>(rules.in, rules.notIn, (text) => text));
  if (has(rules, "pattern")) checks.push(patternCheck(compile(rules.pattern), rules.pattern));
  if (rules.wellKnown.case === "wellKnownRegex") {
    const known = wellKnown(rules.wellKnown.value, rules.strict);
    if (known !== undefined) checks.push(patternCheck(known.pattern, known.text));
  }
  if (checks.length === 0) return undefined;
  const ignoreEmpty = rules.ignoreEmpty;
  return (value) => {
    if (ignoreEmpty && value === "") return undefined;
    return firstWrong(checks, value as string);
  };
}

/** 1 and 2 are KnownRegex HTTP_HEADER_NAME and HTTP_HEADER_VALUE. */
function wellKnown(kind: number, strict: boolean): { pattern: RegExp; text: string } | undefined {
  // oxlint-disable no-control-regex -- these patterns are about control characters
  if (kind !== 1 && kind !== 2) return undefined;
  if (!strict) return { pattern: /^[^\x00\n\r]*$/, text: "^[^\\x00\\n\\r]*$" };
  if (kind === 2) return { pattern: /^[^\x00-\b\n-\x1f\x7f]*$/, text: "^[^\\x00-\\b\\n-\\x1f\\x7f]*$" };
  return { pattern: /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/, text: "^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$" };
  // oxlint-enable no-control-regex
}

function patternCheck(pattern: RegExp, text: string): (value: string) => string | undefined {
  const wrong = `value does not match regex pattern "${text}"`;
  return (value) => (pattern.test(value) ? undefined : wrong);
}

/** Envoy's own patterns mean the same in RE2 and here; some need the lax syntax without the u flag. */
function compile(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return new RegExp(`^(?:${pattern})$`);
  }
}

function bytesCheck(rules: Rules<"bytes">): ValueCheck | undefined {
  const wrong = between(has(rules, "minLen"), rules.minLen, has(rules, "maxLen"), rules.maxLen, "bytes");
  if (wrong === undefined) return undefined;
  const max = has(rules, "maxLen") ? Number(rules.maxLen) : Infinity;
  return (value) => {
    const { length } = value as Uint8Array;
    return length < Number(rules.minLen) || length > max ? `value length ${wrong}` : undefined;
  };
}

function boolCheck(rules: Rules<"bool">): ValueCheck | undefined {
  if (!has(rules, "const")) return undefined;
  return (value) => (value === rules.const ? undefined : `value must equal ${rules.const}`);
}

function enumCheck(rules: Rules<"enum">, type: DescEnum | undefined): ValueCheck | undefined {
  const nameOf = (value: number) => type?.value[value]?.name ?? String(value);
  const checks = listChecks<number>(rules.in, rules.notIn, nameOf);
  if (rules.definedOnly && type !== undefined) {
    const known = new Set(type.values.map((value) => value.number));
    checks.unshift((value) =>
      known.has(value) ? undefined : "value must be one of the defined enum values",
    );
  }
  return checks.length === 0 ? undefined : (value) => firstWrong(checks, value as number);
}

function numberCheck(
  rules:
    | Rules<"float">
    | Rules<"double">
    | Rules<"int32">
    | Rules<"int64">
    | Rules<"uint32">
    | Rules<"uint64">,
): ValueCheck | undefined {
  const bound = (name: "gt" | "gte" | "lt" | "lte") => (has(rules, name) ? rules[name] : undefined);
  const range = rangeCheck(bound("gt"), bound("gte"), bound("lt"), bound("lte"), String);
  const ignoreEmpty = rules.ignoreEmpty;
  if (range === undefined) return undefined;
  return (value) => (ignoreEmpty && !value ? undefined : range(value as number | bigint));
}

function durationCheck(rules: Rules<"duration">): ValueCheck | undefined {
  const nanos = (d: { seconds: bigint; nanos: number } | undefined) =>
    d === undefined ? undefined : d.seconds * 1_000_000_000n + BigInt(d.nanos);
  const range = rangeCheck(nanos(rules.gt), nanos(rules.gte), nanos(rules.lt), nanos(rules.lte), goDuration);
  if (range === undefined) return undefined;
  return (value) => range(nanos(value as { seconds: bigint; nanos: number })!);
}

/** A lower bound above the upper one means "outside", as in PGV. */
function rangeCheck<T extends number | bigint>(
  gt: T | undefined,
  gte: T | undefined,
  lt: T | undefined,
  lte: T | undefined,
  print: (bound: T) => string,
): ((value: number | bigint) => string | undefined) | undefined {
  const low = gt ?? gte;
  const high = lt ?? lte;
  const above = gt !== undefined ? (v: number | bigint) => v > gt : (v: number | bigint) => v >= gte!;
  const below = lt !== undefined ? (v: number | bigint) => v < lt : (v: number | bigint) => v <= lte!;
  if (low === undefined && high === undefined) return undefined;
  if (high === undefined) {
    const wrong = `value must be greater than ${gt !== undefined ? "" : "or equal to "}${print(low!)}`;
    return (value) => (above(value) ? undefined : wrong);
  }
  if (low === undefined) {
    const wrong = `value must be less than ${lt !== undefined ? "" : "or equal to "}${print(high)}`;
    return (value) => (below(value) ? undefined : wrong);
  }
  if (high >= low) {
    const range = `${gt !== undefined ? "(" : "["}${print(low)}, ${print(high)}${lt !== undefined ? ")" : "]"}`;
    return (value) => (above(value) && below(value) ? undefined : `value must be inside range ${range}`);
  }
  const range = `${lt !== undefined ? "[" : "("}${print(high)}, ${print(low)}${gt !== undefined ? "]" : ")"}`;
  return (value) => (above(value) || below(value) ? undefined : `value must be outside range ${range}`);
}

function sizeCheck(
  min: bigint,
  max: bigint,
  unit: string,
): ((size: number) => string | undefined) | undefined {
  if (min === 0n && max === 0n) return undefined;
  const low = Number(min);
  const high = max === 0n ? Infinity : Number(max);
  let text = `at least ${low} ${unit}`;
  if (low === high) text = `exactly ${low} ${unit}`;
  else if (low === 0) text = `no more than ${high} ${unit}`;
  else if (high !== Infinity) text = `between ${low} and ${high} items, inclusive`;
  return (size) => (size < low || size > high ? `value must contain ${text}` : undefined);
}

function listChecks<T>(
  allowed: T[],
  denied: T[],
  print: (value: T) => string,
): ((value: T) => string | undefined)[] {
  const checks: ((value: T) => string | undefined)[] = [];
  const text = (list: T[]) => `[${list.map(print).join(" ")}]`;
  if (allowed.length > 0) {
    checks.push((value) => (allowed.includes(value) ? undefined : `value must be in list ${text(allowed)}`));
  }
  if (denied.length > 0) {
    checks.push((value) =>
      denied.includes(value) ? `value must not be in list ${text(denied)}` : undefined,
    );
  }
  return checks;
}

function between(
  hasMin: boolean,
  min: bigint,
  hasMax: boolean,
  max: bigint,
  unit: string,
): string | undefined {
  if (hasMin && hasMax) {
    return min === max ? `must be ${min} ${unit}` : `must be between ${min} and ${max} ${unit}, inclusive`;
  }
  if (hasMin) return `must be at least ${min} ${unit}`;
  return hasMax ? `must be at most ${max} ${unit}` : undefined;
}

function firstWrong<T>(checks: ((value: T) => string | undefined)[], value: T): string | undefined {
  for (const check of checks) {
    const wrong = check(value);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Code points; counts no further than needed. */
function characters(text: string, limit: number): number {
  if (text.length <= 1 || text.length > limit * 2) return text.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** Rules have presence, so a bound of zero counts. */
function has(message: object, field: string): boolean {
  return Object.hasOwn(message, field);
}

/** How Go prints a duration: 1ms, 1.5s, 5m0s, 12h0m0s. */
function goDuration(nanos: bigint): string {
  const value = Number(nanos);
  if (value === 0) return "0s";
  if (value < 1e3) return `${value}ns`;
  if (value < 1e6) return `${value / 1e3}µs`;
  if (value < 1e9) return `${value / 1e6}ms`;
  const seconds = value / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${seconds - Math.floor(seconds / 60) * 60}s`;
  return hours > 0 ? `${hours}h${minutes}m${rest}` : minutes > 0 ? `${minutes}m${rest}` : rest;
}
