// Checks messages against the validation rules of Envoy's API. The rules of a message type are compiled at its first use.
import { fromBinary, fromJson } from "@bufbuild/protobuf";
import type { DescField, DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { Any, Duration } from "@bufbuild/protobuf/wkt";
import { isUnwrapped } from "./message-info.ts";
import type { Fields } from "./message-info.ts";
import { problemAt } from "./problem.ts";
import type { LoadProblem } from "./problem.ts";
import { formatPath } from "./path.ts";
import type { Path, PathPart } from "./path.ts";
import { findSchema, registry, typeNameOf } from "./registry.ts";
import type { SourceMap } from "./source-map.ts";
import { isRequired, isRequiredOneof, requiredText, rulesOf, sizeRule, valueCheck } from "./rules.ts";
import type { ValueCheck } from "./rules.ts";

/** A rule that a message breaks. */
export interface Violation {
  /** The field, such as `static_resources.clusters[0].name`; the contents of an `Any` follow its field directly. */
  path: string;
  parts: Path;
  /** In Envoy's words: `value length must be at least 1 characters`. */
  message: string;
  /** Full name of the message type that has the rule. */
  type: string;
  /** As real Envoy reports it, from the root or the innermost `Any`: `Proto constraint validation failed (...)`. */
  envoyText: string;
}

/** All violations of a message, including those inside `Any` and typed structs, in the order Envoy checks. */
export function validateMessage(message: Message): Violation[] {
  const desc = findSchema(message.$typeName);
  if (desc === undefined) return [];
  const run = new Run();
  run.message(planOf(desc), message as Fields);
  return run.violations;
}

/** The one violation real Envoy would report: negative durations first, and outer messages before typed configs. */
export function firstViolation(violations: readonly Violation[]): Violation | undefined {
  return (
    violations.find((violation) => violation.message.startsWith("Invalid duration")) ??
    violations.toSorted((a, b) => depthOf(a) - depthOf(b))[0]
  );
}

/** Violations as problems of the text the message came from, in its order. */
export function violationProblems(violations: readonly Violation[], source: SourceMap): LoadProblem[] {
  return violations.map((v) => problemAt(source, v.parts, v.message)).sort((a, b) => a.line - b.line);
}

const depths = new WeakMap<Violation, number>();

function depthOf(violation: Violation): number {
  return depths.get(violation) ?? 0;
}

/** What is checked of one message type. */
interface Plan {
  typeName: string;
  /** For Envoy's text: the last part of the name. */
  shortName: string;
  fields: FieldPlan[];
  oneofs: OneofPlan[];
}

interface FieldPlan {
  name: string;
  localName: string;
  /** For Envoy's text: `HealthChecks`. */
  camelName: string;
  kind: "one" | "list" | "map";
  /** The field may be absent; then only `required` is checked. */
  optional: boolean;
  /** What is said if the field is missing. */
  required: string | undefined;
  size: ((size: number) => string | undefined) | undefined;
  unique: boolean;
  key: ValueCheck | undefined;
  value: ValueCheck | undefined;
  inner: Inner | undefined;
}

/** What is behind a message value: a duration, a packed message, or fields of its own. */
type Inner = "duration" | "any" | DescMessage;

interface OneofPlan {
  name: string;
  localName: string;
  required: boolean;
  cases: Map<string, FieldPlan>;
}

const plans = new WeakMap<DescMessage, Plan>();
const worth = new WeakMap<DescMessage, boolean>();

function planOf(desc: DescMessage): Plan {
  let plan = plans.get(desc);
  if (plan !== undefined) return plan;
  plan = { typeName: desc.typeName, shortName: desc.name, fields: [], oneofs: [] };
  // protoc-gen-validate checks plain fields first, then the oneofs.
  for (const field of desc.fields) {
    if (field.oneof !== undefined) continue;
    const checked = fieldPlan(field);
    if (checked !== undefined) plan.fields.push(checked);
  }
  for (const oneof of desc.oneofs) {
    const cases = new Map<string, FieldPlan>();
    for (const field of oneof.fields) {
      const checked = fieldPlan(field);
      if (checked !== undefined) cases.set(field.localName, checked);
    }
    const required = isRequiredOneof(oneof);
    if (required || cases.size > 0) {
      plan.oneofs.push({ name: oneof.name, localName: oneof.localName, required, cases });
    }
  }
  plans.set(desc, plan);
  return plan;
}

function fieldPlan(field: DescField): FieldPlan | undefined {
  const rules = rulesOf(field);
  const skip = rules?.message?.skip === true;
  const plan: FieldPlan = {
    name: field.name,
    localName: field.localName,
    camelName: camelCase(field.name),
    kind: field.fieldKind === "list" || field.fieldKind === "map" ? field.fieldKind : "one",
    optional: field.fieldKind === "message" || field.presence !== IMPLICIT_PRESENCE,
    required: isRequired(rules) ? requiredText(rules) : undefined,
    size: sizeRule(rules),
    unique: rules?.type.case === "repeated" && rules.type.value.unique,
    key: rules?.type.case === "map" ? valueCheck(rules.type.value.keys, undefined) : undefined,
    value: valueCheck(elementRules(rules), field.enum),
    inner: skip ? undefined : innerOf(field),
  };
  const checks = plan.required || plan.size || plan.unique || plan.key || plan.value || plan.inner;
  return checks ? plan : undefined;
}

function elementRules(rules: ReturnType<typeof rulesOf>): ReturnType<typeof rulesOf> {
  if (rules?.type.case === "repeated") return rules.type.value.items;
  return rules?.type.case === "map" ? rules.type.value.values : rules;
}

function innerOf(field: DescField): Inner | undefined {
  const desc = field.message;
  if (desc === undefined || isUnwrapped(field)) return undefined;
  if (desc.typeName === "google.protobuf.Duration") return "duration";
  if (desc.typeName === "google.protobuf.Any") return "any";
  return isWorth(desc) ? desc : undefined;
}

/** False for types that have no rules, durations or typed configs anywhere below them. */
function isWorth(desc: DescMessage): boolean {
  const known = worth.get(desc);
  if (known !== undefined) return known;
  if (desc.typeName.startsWith("google.protobuf.")) return false;
  // Types that contain themselves count as worth while they are looked at, which only costs a visit.
  worth.set(desc, true);
  const plan = planOf(desc);
  const result = plan.fields.length > 0 || plan.oneofs.length > 0;
  worth.set(desc, result);
  return result;
}

const IMPLICIT_PRESENCE = 2;

function camelCase(name: string): string {
  return name
    .split("_")
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join("");
}

/** One level of the way to a value: the message type, the field, and the element in it. */
interface Level {
  plan: Plan;
  field: FieldPlan;
  element: number | string | undefined;
}

class Run {
  readonly violations: Violation[] = [];
  readonly #levels: Level[] = [];
  /** Indexes into the levels where an Any's content starts. */
  readonly #anys: number[] = [];

  message(plan: Plan, message: Fields): void {
    for (const field of plan.fields) this.#field(plan, field, message[field.localName], message);
    for (const oneof of plan.oneofs) {
      const chosen = message[oneof.localName] as { case: string | undefined; value?: unknown };
      if (chosen.case === undefined) {
        if (oneof.required) this.#violation(plan, `field: "${oneof.name}", reason: is required`);
        continue;
      }
      const field = oneof.cases.get(chosen.case);
      if (field !== undefined) this.#value(plan, field, undefined, chosen.value);
    }
  }

  #field(plan: Plan, field: FieldPlan, value: unknown, message: Fields): void {
    if (field.kind === "list") return this.#list(plan, field, value as unknown[]);
    if (field.kind === "map") return this.#map(plan, field, value as Record<string, unknown>);
    if (field.optional && (value === undefined || !Object.hasOwn(message, field.localName))) {
      if (field.required !== undefined) this.#violation(plan, field.required, field);
      return;
    }
    this.#value(plan, field, undefined, value);
  }

  #list(plan: Plan, field: FieldPlan, list: unknown[]): void {
    const wrong = field.size?.(list.length);
    if (wrong !== undefined) this.#violation(plan, wrong, field);
    if (field.unique) this.#unique(plan, field, list);
    if (field.value === undefined && field.inner === undefined) return;
    for (let i = 0; i < list.length; i++) this.#value(plan, field, i, list[i]);
  }

  #unique(plan: Plan, field: FieldPlan, list: unknown[]): void {
    const seen = new Set<unknown>();
    for (let i = 0; i < list.length; i++) {
      if (seen.has(list[i])) this.#violation(plan, "repeated value must contain unique items", field, i);
      seen.add(list[i]);
    }
  }

  #map(plan: Plan, field: FieldPlan, map: Record<string, unknown>): void {
    const wrong = field.size?.(Object.keys(map).length);
    if (wrong !== undefined) this.#violation(plan, wrong, field);
    for (const key in map) {
      const wrongKey = field.key?.(key);
      if (wrongKey !== undefined) this.#violation(plan, wrongKey, field, key);
      this.#value(plan, field, key, map[key]);
    }
  }

  #value(plan: Plan, field: FieldPlan, element: number | string | undefined, value: unknown): void {
    const { inner } = field;
    if (inner === "duration" && isNegative(value as Duration)) {
      this.#violation(plan, "Invalid duration: Expected positive duration", field, element);
      return;
    }
    const wrong = field.value?.(value);
    if (wrong !== undefined) this.#violation(plan, wrong, field, element);
    if (inner === undefined || inner === "duration") return;
    const level = { plan, field, element };
    this.#levels.push(level);
    if (inner === "any") this.#any(value as Any);
    else this.message(planOf(inner), value as Fields);
    this.#levels.pop();
  }

  #any(any: Any): void {
    const content = openAny(any);
    if (content === undefined) return;
    this.#anys.push(this.#levels.length);
    for (const part of content.inside) this.#levels.push(part);
    this.message(planOf(content.desc), content.message as Fields);
    this.#levels.length -= content.inside.length;
    this.#anys.pop();
  }

  #violation(plan: Plan, message: string, field?: FieldPlan, element?: number | string): void {
    const parts: PathPart[] = [];
    for (const level of this.#levels) addParts(parts, level.field, level.element);
    if (field !== undefined) addParts(parts, field, element);
    const violation: Violation = {
      path: formatPath(parts),
      parts,
      message,
      type: plan.typeName,
      envoyText: this.#envoyText(plan, message, field, element),
    };
    depths.set(violation, this.#anys.length);
    this.violations.push(violation);
  }

  #envoyText(plan: Plan, message: string, field?: FieldPlan, element?: number | string): string {
    if (message.startsWith("Invalid duration")) return message;
    const chain = this.#levels
      .slice(this.#anys.at(-1) ?? 0)
      .filter((level) => level.plan !== TYPED_STRUCT)
      .map((level) => `${label(level.plan, level.field, level.element)}: embedded message failed validation`);
    chain.push(field === undefined ? message : `${label(plan, field, element)}: ${message}`);
    return `Proto constraint validation failed (${chain.join(" | caused by ")})`;
  }
}

function addParts(parts: PathPart[], field: FieldPlan, element: number | string | undefined): void {
  parts.push(field.name);
  if (element !== undefined) parts.push(typeof element === "string" ? { key: element } : element);
}

function label(plan: Plan, field: FieldPlan, element: number | string | undefined): string {
  return `${plan.shortName}ValidationError.${field.camelName}${element === undefined ? "" : `[${element}]`}`;
}

function isNegative(duration: Duration): boolean {
  return duration.seconds < 0n || duration.nanos < 0;
}

/** Stands for the step from a TypedStruct to its value, which Envoy's text does not show. */
const TYPED_STRUCT: Plan = { typeName: "", shortName: "", fields: [], oneofs: [] };
const TYPED_STRUCT_VALUE: Level = {
  plan: TYPED_STRUCT,
  element: undefined,
  field: {
    name: "value",
    localName: "value",
    camelName: "Value",
    kind: "one",
    optional: true,
    required: undefined,
    size: undefined,
    unique: false,
    key: undefined,
    value: undefined,
    inner: undefined,
  },
};

/** Unknown types and contents that cannot be read are left to the code that needs them, which reports them. */
function openAny(any: Any): { desc: DescMessage; message: Message; inside: Level[] } | undefined {
  const name = typeNameOf(any);
  const desc = findSchema(name);
  if (desc === undefined || desc.typeName.startsWith("google.protobuf.") || isWrapperDesc(desc))
    return undefined;
  try {
    const message = fromBinary(desc, any.value);
    if (!name.endsWith(".TypedStruct")) return isWorth(desc) ? { desc, message, inside: [] } : undefined;
    const typed = message as Fields;
    const named = findSchema(typeNameOf({ typeUrl: String(typed["typeUrl"]) }));
    if (named === undefined || !isWorth(named)) return undefined;
    const content = fromJson(named, (typed["value"] ?? {}) as JsonValue, { registry: registry() });
    return { desc: named, message: content, inside: [TYPED_STRUCT_VALUE] };
  } catch {
    return undefined;
  }
}
