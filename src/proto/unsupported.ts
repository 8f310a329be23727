// Compares a message with the ledger: what a configuration sets and we do not implement must never pass in silence.
import type { DescField, DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import { fromBinary, fromJson } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { FieldSupport, Ledger } from "./ledger.ts";
import { problemAt } from "./problem.ts";
import type { LoadProblem } from "./problem.ts";
import { fieldValue, isUnwrapped } from "./message-info.ts";
import type { Fields } from "./message-info.ts";
import { formatPath } from "./path.ts";
import type { Path, PathPart } from "./path.ts";
import { findSchema, registry, typeNameOf } from "./registry.ts";
import type { SourceMap } from "./source-map.ts";

/** Something that is set and has no effect here. */
export interface Unsupported {
  /** The field, such as `static_resources.clusters[0].lb_policy`. */
  path: string;
  parts: Path;
  /** Full name of the field (`envoy.config.cluster.v3.Cluster.lb_policy`), or of the message type. */
  name: string;
  kind: "field" | "value" | "type";
  /** In words: `field "lb_policy" of envoy.config.cluster.v3.Cluster is not supported with MAGLEV; supported: ...`. */
  message: string;
}

/**
 * Everything that is set in a message, in its messages and in its typed configs, and that no ledger declares. A message
 * type that no ledger has is reported once per place and not looked into.
 */
export function reportUnsupported(message: Message, ledgers: readonly Ledger[]): Unsupported[] {
  const desc = findSchema(message.$typeName);
  if (desc === undefined) return [];
  const walk = new Walk(ledgers);
  walk.message(desc, message as Fields);
  return walk.found;
}

/** Reports as problems of the text the message came from, in its order. */
export function unsupportedProblems(unsupported: readonly Unsupported[], source: SourceMap): LoadProblem[] {
  return unsupported
    .map((entry) => problemAt(source, entry.parts, entry.message))
    .sort((a, b) => a.line - b.line);
}

/** The declaration of each field of a message type over all ledgers; "all" if one of them takes every field. */
export function declaredFields(
  type: string,
  ledgers: readonly Ledger[],
): "all" | Map<string, FieldSupport> | undefined {
  let fields: Map<string, FieldSupport> | undefined;
  for (const ledger of ledgers) {
    const declared = (ledger as Record<string, "all" | readonly FieldSupport[] | undefined>)[type];
    if (declared === undefined) continue;
    if (declared === "all") return "all";
    fields ??= new Map();
    for (const field of declared) {
      const name = typeof field === "string" ? field : field.field;
      fields.set(name, wider(fields.get(name), field));
    }
  }
  return fields;
}

/** Two parts of the code may read one field: what either supports is supported. */
function wider(a: FieldSupport | undefined, b: FieldSupport): FieldSupport {
  if (a === undefined || typeof b === "string") return b;
  if (typeof a === "string") return a;
  if ("values" in a && "values" in b)
    return { field: b.field, values: [...new Set([...a.values, ...b.values])] };
  return "values" in a ? a : b;
}

interface Declared {
  desc: DescMessage;
  fields: "all" | Map<string, FieldSupport> | undefined;
}

class Walk {
  readonly found: Unsupported[] = [];
  readonly #ledgers: readonly Ledger[];
  readonly #declared = new Map<DescMessage, Declared>();
  readonly #path: PathPart[] = [];

  constructor(ledgers: readonly Ledger[]) {
    this.#ledgers = ledgers;
  }

  message(desc: DescMessage, message: Fields): void {
    if (isPlain(desc)) return;
    const declared = this.#of(desc);
    if (declared.fields === undefined) {
      this.#add("type", desc.typeName, `${desc.typeName} is not supported`);
      return;
    }
    for (const field of desc.fields) {
      const value = fieldValue(message, field);
      if (value === undefined) continue;
      this.#path.push(field.name);
      this.#field(declared.fields, field, value);
      this.#path.pop();
    }
  }

  #of(desc: DescMessage): Declared {
    let declared = this.#declared.get(desc);
    if (declared === undefined) {
      declared = { desc, fields: declaredFields(desc.typeName, this.#ledgers) };
      this.#declared.set(desc, declared);
    }
    return declared;
  }

  #field(fields: "all" | Map<string, FieldSupport>, field: DescField, value: unknown): void {
    const support = fields === "all" ? field.name : fields.get(field.name);
    if (support === undefined) {
      const message = `field "${field.name}" of ${field.parent.typeName} is not supported`;
      this.#add("field", `${field.parent.typeName}.${field.name}`, message);
      return;
    }
    if (typeof support !== "string") {
      if ("ignored" in support) return;
      this.#values(field, support.values, value);
    }
    if (field.message !== undefined && !isUnwrapped(field)) this.#descend(field, field.message, value);
  }

  /** Enum values by name; strings, numbers and booleans as they print. */
  #values(field: DescField, allowed: readonly string[], value: unknown): void {
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
      const name = field.enum?.value[each as number]?.name ?? String(each);
      if (allowed.includes(name)) continue;
      const message = `field "${field.name}" of ${field.parent.typeName} is not supported with ${name}; supported: ${allowed.join(", ")}`;
      this.#add("value", `${field.parent.typeName}.${field.name}`, message);
    }
  }

  #descend(field: DescField, desc: DescMessage, value: unknown): void {
    if (field.fieldKind === "list") {
      const list = value as unknown[];
      for (let i = 0; i < list.length; i++) this.#element(i, desc, list[i]);
    } else if (field.fieldKind === "map") {
      for (const [key, entry] of Object.entries(value as object)) this.#element({ key }, desc, entry);
    } else this.#inner(desc, value as Fields);
  }

  #element(part: PathPart, desc: DescMessage, value: unknown): void {
    this.#path.push(part);
    this.#inner(desc, value as Fields);
    this.#path.pop();
  }

  #inner(desc: DescMessage, message: Fields): void {
    if (desc.typeName === "google.protobuf.Any") this.#any(message as unknown as Any);
    else this.message(desc, message);
  }

  #any(any: Any): void {
    const name = typeNameOf(any);
    if (name === "") return;
    const desc = findSchema(name);
    if (desc === undefined) {
      this.#add("type", name, `${name} is not supported`);
      return;
    }
    if (isPlain(desc)) return;
    try {
      const message = fromBinary(desc, any.value) as Fields;
      if (name.endsWith(".TypedStruct")) this.#typedStruct(message);
      else this.message(desc, message);
    } catch {
      this.#add("type", name, `${name} cannot be read`);
    }
  }

  #typedStruct(typed: Fields): void {
    const name = typeNameOf({ typeUrl: String(typed["typeUrl"]) });
    const desc = findSchema(name);
    if (desc === undefined) {
      this.#add("type", name, `${name} is not supported`);
      return;
    }
    this.#path.push("value");
    this.message(
      desc,
      fromJson(desc, (typed["value"] ?? {}) as JsonValue, { registry: registry() }) as Fields,
    );
    this.#path.pop();
  }

  #add(kind: Unsupported["kind"], name: string, message: string): void {
    this.found.push({ path: formatPath(this.#path), parts: [...this.#path], name, kind, message });
  }
}

/** Durations, wrappers, structs and the like are values of the field that holds them. */
function isPlain(desc: DescMessage): boolean {
  return desc.file.name.startsWith("google/protobuf/") && desc.typeName !== "google.protobuf.Any";
}
