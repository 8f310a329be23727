// Hides secrets before configuration is shown: fields that Envoy's API marks udpa.annotations.sensitive.
import { create, fromBinary, fromJson, toJson, getOption, hasOption, toBinary } from "@bufbuild/protobuf";
import type { DescField, DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { Any } from "@bufbuild/protobuf/wkt";
import { fieldValue, isUnwrapped } from "./message-info.ts";
import type { Fields } from "./message-info.ts";
import { findSchema, registry, typeNameOf } from "./registry.ts";

const TEXT = "[redacted]";

/**
 * Replaces sensitive values in place, also inside typed configs, as Envoy's config_dump does: text and bytes become
 * "[redacted]", other values are cleared; below a sensitive message every value is sensitive. Copy the message first if
 * it is still in use (`clone` of @bufbuild/protobuf).
 */
export function redact(message: Message): void {
  const desc = findSchema(message.$typeName);
  if (desc !== undefined) redactMessage(desc, message as Fields, false);
}

const sensitive = new WeakMap<DescField, boolean>();

function isSensitive(field: DescField): boolean {
  let known = sensitive.get(field);
  if (known === undefined) {
    const option = registry().getExtension("udpa.annotations.sensitive")!;
    known = hasOption(field, option) && getOption(field, option) === true;
    sensitive.set(field, known);
  }
  return known;
}

function redactMessage(desc: DescMessage, message: Fields, all: boolean): void {
  if (desc.typeName === "google.protobuf.Any") {
    redactAny(message as unknown as Any, all);
    return;
  }
  for (const field of desc.fields) {
    const value = fieldValue(message, field);
    if (value === undefined) continue;
    const hide = all || isSensitive(field);
    const replaced = redactValue(field, value, hide);
    if (replaced === value) continue;
    if (field.oneof !== undefined)
      message[field.oneof.localName] = { case: field.localName, value: replaced };
    else message[field.localName] = replaced;
  }
}

/** The value to put instead; the same one if it was changed in place or stays. */
function redactValue(field: DescField, value: unknown, hide: boolean): unknown {
  if (field.fieldKind === "list") {
    const list = value as unknown[];
    for (let i = 0; i < list.length; i++) list[i] = redactElement(field, list[i], hide);
    return list;
  }
  if (field.fieldKind === "map") {
    const map = value as Record<string, unknown>;
    for (const key of Object.keys(map)) map[key] = redactElement(field, map[key], hide);
    return map;
  }
  return redactElement(field, value, hide);
}

function redactElement(field: DescField, value: unknown, hide: boolean): unknown {
  if (field.message !== undefined && !isUnwrapped(field)) {
    if (field.message.typeName === "google.protobuf.Struct") return hide ? {} : value;
    redactMessage(field.message, value as Fields, hide);
    return value;
  }
  if (!hide) return value;
  if (typeof value === "string") return TEXT;
  if (value instanceof Uint8Array) return new TextEncoder().encode(TEXT);
  if (field.message !== undefined && isWrapperDesc(field.message)) return undefined;
  return typeof value === "bigint" ? 0n : typeof value === "boolean" ? false : 0;
}

function redactAny(any: Any, all: boolean): void {
  const desc = findSchema(typeNameOf(any));
  if (desc === undefined) {
    if (all && any.value.length > 0) any.value = new Uint8Array(0);
    return;
  }
  if (desc.file.name.startsWith("google/protobuf/") && !all) return;
  try {
    const message = fromBinary(desc, any.value) as Fields;
    if (desc.typeName.endsWith(".TypedStruct") && !all) redactTypedStruct(message);
    else redactMessage(desc, message, all);
    any.value = toBinary(desc, message);
  } catch {
    any.value = toBinary(desc, create(desc));
  }
}

function redactTypedStruct(typed: Fields): void {
  const desc = findSchema(typeNameOf({ typeUrl: String(typed["typeUrl"]) }));
  if (desc === undefined || typed["value"] === undefined) return;
  const message = fromJson(desc, typed["value"] as JsonValue, { registry: registry() }) as Fields;
  redactMessage(desc, message, false);
  typed["value"] = toJson(desc, message, { registry: registry(), useProtoFieldName: true });
}
