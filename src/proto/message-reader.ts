// A parsed tree → a message, collecting every problem on the way. Own walker because protobuf-es stops at the first error and
// knows no positions. What is accepted follows Envoy's JSON loader (protobuf C++, legacy mode).
import { create, toBinary } from "@bufbuild/protobuf";
import type { DescField, DescMessage, JsonObject, JsonValue, Message } from "@bufbuild/protobuf";
import { TimestampSchema, FieldMaskSchema, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { fromJson } from "@bufbuild/protobuf";
import { parseDuration } from "./duration.ts";
import { fieldsByName, isUnwrapped } from "./message-info.ts";
import type { Fields } from "./message-info.ts";
import { nearest } from "../base/nearest.ts";
import type { PathPart } from "./path.ts";
import { readEnum, readScalar } from "./read-scalar.ts";
import type { Read, ScalarValue } from "./read-scalar.ts";
import { findSchema, registry } from "./registry.ts";
import { describeTree, treeToJson } from "./tree.ts";
import type { Entry, MapTree, Tree } from "./tree.ts";

/** A problem of the content, at an offset of the text and at a field. */
export interface ReadProblem {
  offset: number;
  path: PathPart[];
  message: string;
}

/** Fills messages from trees; `problems` has all that is wrong with them. */
export class MessageReader {
  readonly problems: ReadProblem[] = [];
  readonly #path: PathPart[] = [];

  /** Reads a message that stands on its own or in a field, a list or a map; well-known types in their JSON form. */
  message(desc: DescMessage, tree: Tree): Message | undefined {
    switch (desc.typeName) {
      case "google.protobuf.Any":
        return this.#any(desc, tree);
      case "google.protobuf.Duration":
        return this.#duration(desc, tree);
      case "google.protobuf.Timestamp":
      case "google.protobuf.FieldMask":
        return this.#text(desc, tree);
      case "google.protobuf.Value":
      case "google.protobuf.ListValue":
      case "google.protobuf.Struct":
        return fromJson(desc, this.#json(tree) as JsonValue);
    }
    if (isWrapperDesc(desc) && tree.kind === "scalar") {
      const message = create(desc) as unknown as Fields;
      const value = this.#scalar(desc.fields[0]!, tree);
      if (value === undefined) return undefined;
      message["value"] = value;
      return message;
    }
    if (tree.kind !== "map") {
      this.#problem(
        tree.start,
        `${this.#here(desc)} must be a map with the fields of ${desc.typeName}, not ${describeTree(tree)}`,
      );
      return undefined;
    }
    const message = create(desc) as Fields;
    this.#fields(desc, message, tree);
    return message;
  }

  #fields(desc: DescMessage, message: Fields, tree: MapTree, skip?: string): void {
    const names = fieldsByName(desc);
    const keys = new Map<string, Entry>();
    const setBy = new Map<string, string>();
    for (const entry of tree.entries) {
      if (entry.key === skip) continue;
      if (this.#duplicate(keys, entry, desc.typeName)) continue;
      const field = names.get(entry.key);
      if (field === undefined) {
        this.#unknown(desc, entry, names);
        continue;
      }
      if (isNull(entry.value) && !takesNull(field)) continue;
      // One field or one oneof may be set once, under whichever of its names.
      const slot = field.oneof?.name ?? field.name;
      const other = setBy.get(slot);
      if (other !== undefined) {
        const text = field.oneof
          ? `"${other}" and "${entry.key}" of ${desc.typeName} exclude each other (oneof ${slot})`
          : `field "${field.name}" of ${desc.typeName} is set twice, as "${other}" and "${entry.key}"`;
        this.#at(entry, () => this.#problem(entry.keyStart, text));
        continue;
      }
      setBy.set(slot, entry.key);
      this.#path.push(field.name);
      this.#field(field, message, entry.value);
      this.#path.pop();
    }
  }

  #field(field: DescField, message: Fields, tree: Tree): void {
    let value: unknown;
    if (field.fieldKind === "list") value = this.#list(field, tree);
    else if (field.fieldKind === "map") value = this.#mapField(field, tree);
    else value = this.#single(field, tree);
    if (value === undefined) return;
    if (field.oneof !== undefined) message[field.oneof.localName] = { case: field.localName, value };
    else message[field.localName] = value;
  }

  #single(field: DescField & { fieldKind: "scalar" | "enum" | "message" }, tree: Tree): unknown {
    if (field.fieldKind !== "message") return this.#scalar(field, tree);
    if (field.message.typeName === STRUCT && field.parent.typeName !== VALUE) return this.#struct(tree);
    const message = this.message(field.message, tree) as Fields | undefined;
    return message !== undefined && isUnwrapped(field) ? message["value"] : message;
  }

  #list(field: DescField & { fieldKind: "list" }, tree: Tree): unknown[] {
    // Like protobuf's legacy mode, a single value stands for a list of one.
    const items = tree.kind === "seq" ? tree.items : [tree];
    const list: unknown[] = [];
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!;
      this.#path.push(i);
      const value =
        field.listKind === "message" ? this.#element(field.message, item) : this.#scalar(field, item);
      if (value !== undefined) list.push(value);
      this.#path.pop();
    }
    return list;
  }

  #mapField(field: DescField & { fieldKind: "map" }, tree: Tree): Record<string, unknown> | undefined {
    if (tree.kind !== "map") {
      this.#problem(tree.start, `${this.#here(field)} must be a map, not ${describeTree(tree)}`);
      return undefined;
    }
    const map: Record<string, unknown> = {};
    const keys = new Map<string, Entry>();
    for (const entry of tree.entries) {
      if (this.#duplicate(keys, entry, `"${field.name}"`)) continue;
      this.#path.push({ key: entry.key });
      const key = readScalar(field.mapKey, {
        kind: "scalar",
        start: entry.keyStart,
        value: entry.key,
        source: entry.key,
      });
      if (key.wrong !== undefined)
        this.#problem(entry.keyStart, `a key of ${this.#here(field)} must be ${key.wrong}`);
      const value =
        field.mapKind === "message"
          ? this.#element(field.message, entry.value)
          : this.#scalar(field, entry.value);
      if (value !== undefined && key.wrong === undefined) {
        Object.defineProperty(map, String(key.value), {
          value,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      this.#path.pop();
    }
    return map;
  }

  /** An element of a list or map: null stands for an empty message there. */
  #element(desc: DescMessage, tree: Tree): unknown {
    if (desc.typeName === STRUCT) return isNull(tree) ? {} : this.#struct(tree);
    return isNull(tree) && desc.typeName !== VALUE ? create(desc) : this.message(desc, tree);
  }

  #scalar(field: DescField, tree: Tree): ScalarValue | undefined {
    if (tree.kind !== "scalar") {
      this.#problem(tree.start, `${this.#here(field)} must be a single value, not ${describeTree(tree)}`);
      return undefined;
    }
    const read: Read<ScalarValue> = field.enum ? readEnum(field.enum, tree) : readScalar(field.scalar!, tree);
    if (read.wrong === undefined) return read.value;
    this.#problem(tree.start, `${this.#here(field)} must be ${read.wrong}`);
    return undefined;
  }

  #duration(desc: DescMessage, tree: Tree): Message | undefined {
    if (tree.kind === "map") {
      const message = create(desc) as Fields;
      this.#fields(desc, message, tree);
      return message;
    }
    const parsed =
      tree.kind === "scalar" && typeof tree.value === "string" ? parseDuration(tree.value) : undefined;
    if (parsed !== undefined) return create(desc, parsed as Record<string, unknown>);
    this.#problem(
      tree.start,
      `${this.#here(desc)} must be a duration in seconds such as "0.25s", not ${describeTree(tree)}`,
    );
    return undefined;
  }

  #text(desc: DescMessage, tree: Tree): Message | undefined {
    try {
      return fromJson(
        desc.typeName === TimestampSchema.typeName ? TimestampSchema : FieldMaskSchema,
        treeToJson(tree),
      );
    } catch {
      const form =
        desc.typeName === TimestampSchema.typeName
          ? "a time such as 2026-01-31T08:00:00Z"
          : "a list of field names";
      this.#problem(tree.start, `${this.#here(desc)} must be ${form}, not ${describeTree(tree)}`);
      return undefined;
    }
  }

  #struct(tree: Tree): JsonObject | undefined {
    if (tree.kind !== "map") {
      this.#problem(tree.start, `${this.#here()} must be a map, not ${describeTree(tree)}`);
      return undefined;
    }
    return this.#json(tree) as JsonObject;
  }

  #json(tree: Tree): unknown {
    this.#duplicatesBelow(tree);
    return treeToJson(tree);
  }

  #duplicatesBelow(tree: Tree): void {
    if (tree.kind === "seq") for (const item of tree.items) this.#duplicatesBelow(item);
    if (tree.kind !== "map") return;
    const keys = new Map<string, Entry>();
    for (const entry of tree.entries) {
      if (!this.#duplicate(keys, entry, this.#here())) this.#duplicatesBelow(entry.value);
    }
  }

  #any(desc: DescMessage, tree: Tree): Message | undefined {
    if (tree.kind !== "map") {
      this.#problem(tree.start, `${this.#here(desc)} must be a map with "@type", not ${describeTree(tree)}`);
      return undefined;
    }
    const types = tree.entries.filter((entry) => entry.key === "@type");
    const type = types[0];
    if (type === undefined) {
      // An Any without anything in it is legal and empty.
      if (tree.entries.length === 0) return create(desc);
      this.#problem(tree.start, `missing "@type" in ${this.#here(desc)}`);
      return undefined;
    }
    if (types.length > 1) {
      this.#problem(types[1]!.keyStart, `duplicate key "@type" in ${this.#here(desc)}`);
      return undefined;
    }
    const typeUrl =
      type.value.kind === "scalar" && typeof type.value.value === "string" ? type.value.value : undefined;
    const slash = typeUrl?.lastIndexOf("/") ?? -1;
    if (typeUrl === undefined || slash < 1) {
      const text = `"@type" must be a type URL such as "type.googleapis.com/${typeUrl || "package.Message"}"`;
      this.#at("@type", () => this.#problem(type.value.start, `${text}, not ${describeTree(type.value)}`));
      return undefined;
    }
    const inner = findSchema(typeUrl.slice(slash + 1));
    if (inner === undefined) {
      const guess = nearestType(typeUrl.slice(slash + 1));
      const hint = guess === undefined ? "" : ` (did you mean "${typeUrl.slice(0, slash + 1)}${guess}"?)`;
      this.#at("@type", () => this.#problem(type.value.start, `unknown @type "${typeUrl}"${hint}`));
      return undefined;
    }
    const message = this.#anyContent(inner, tree);
    return message && create(desc, { typeUrl, value: toBinary(inner, message) } as Record<string, unknown>);
  }

  #anyContent(inner: DescMessage, tree: MapTree): Message | undefined {
    if (hasJsonForm(inner)) {
      const value = tree.entries.find((entry) => entry.key === "value");
      for (const entry of tree.entries) {
        if (entry.key !== "@type" && entry.key !== "value") this.#unknown(inner, entry, new Map());
      }
      return value === undefined ? create(inner) : this.message(inner, value.value);
    }
    const message = create(inner) as Fields;
    this.#fields(inner, message, tree, "@type");
    if (inner.typeName.endsWith(".TypedStruct")) this.#checkTypedStruct(message, tree);
    return message;
  }

  /** The content of a TypedStruct is read as the type it names, only for the problems this finds. */
  #checkTypedStruct(message: Fields, tree: MapTree): void {
    const typeUrl = String(message["typeUrl"]);
    const inner = findSchema(typeUrl.slice(typeUrl.lastIndexOf("/") + 1));
    const content = tree.entries.find((entry) => entry.key === "value")?.value;
    if (inner === undefined || content?.kind !== "map") return;
    this.#at("value", () => void this.message(inner, content));
  }

  #duplicate(keys: Map<string, Entry>, entry: Entry, where: string): boolean {
    if (keys.has(entry.key)) {
      if (!entry.merged)
        this.#at(entry, () => this.#problem(entry.keyStart, `duplicate key "${entry.key}" in ${where}`));
      return true;
    }
    keys.set(entry.key, entry);
    return false;
  }

  #unknown(desc: DescMessage, entry: Entry, names: Map<string, DescField>): void {
    const guess = nearest(entry.key, names.keys());
    const hint = guess === undefined ? "" : ` (did you mean "${guess}"?)`;
    this.#at(entry, () =>
      this.#problem(entry.keyStart, `unknown field "${entry.key}" in ${desc.typeName}${hint}`),
    );
  }

  #at(entry: Entry | string, run: () => void): void {
    this.#path.push(typeof entry === "string" ? entry : entry.key);
    run();
    this.#path.pop();
  }

  #problem(offset: number, message: string): void {
    this.problems.push({ offset, path: [...this.#path], message });
  }

  /** Names the value being read: its field, an element of it, or the whole message. */
  #here(what?: DescField | DescMessage): string {
    const path = this.#path;
    let i = path.length - 1;
    while (i >= 0 && typeof path[i] !== "string") i--;
    if (i < 0)
      return what === undefined || what.kind !== "message" ? "the content" : `the content (${what.name})`;
    return `${i === path.length - 1 ? "field" : "an element of field"} "${path[i] as string}"`;
  }
}

const STRUCT = "google.protobuf.Struct";
const VALUE = "google.protobuf.Value";
const JSON_FORMS = new Set(
  ["Any", "Duration", "Timestamp", "FieldMask", "Struct", "Value", "ListValue"].map(
    (name) => `google.protobuf.${name}`,
  ),
);

function hasJsonForm(desc: DescMessage): boolean {
  return JSON_FORMS.has(desc.typeName) || isWrapperDesc(desc);
}

function isNull(tree: Tree): boolean {
  return tree.kind === "scalar" && tree.value === null;
}

/** null means "not set" everywhere but where null is a value. */
function takesNull(field: DescField): boolean {
  return field.fieldKind === "message" && field.message.typeName === VALUE;
}

function nearestType(name: string): string | undefined {
  const names: string[] = [];
  for (const type of registry()) if (type.kind === "message") names.push(type.typeName);
  const last = name.slice(name.lastIndexOf(".") + 1);
  const sameName = names.filter((candidate) => candidate.endsWith(`.${last}`));
  return nearest(name, names) ?? (sameName.length === 1 ? sameName[0] : undefined);
}
