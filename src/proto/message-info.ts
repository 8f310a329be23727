// Descriptors prepared for walking messages: fields by every name JSON allows, and how protobuf-es keeps a field's value.
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";

const byName = new WeakMap<DescMessage, Map<string, DescField>>();

/** Fields under their proto name and their JSON (lowerCamelCase) name. */
export function fieldsByName(desc: DescMessage): Map<string, DescField> {
  let fields = byName.get(desc);
  if (fields === undefined) {
    fields = new Map();
    for (const field of desc.fields) fields.set(field.jsonName, field);
    for (const field of desc.fields) fields.set(field.name, field);
    byName.set(desc, fields);
  }
  return fields;
}

/** Messages that are looked at field by field, without knowing their type. */
export type Fields = Message & Record<string, unknown>;

/** True if the field holds the bare value of a google.protobuf wrapper instead of the wrapper message. */
export function isUnwrapped(field: DescField): boolean {
  return field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(field.message);
}

/** The value of a field if it is set (explicitly, or to something else than its default), else undefined. */
export function fieldValue(message: Fields, field: DescField): unknown {
  if (field.oneof !== undefined) {
    const chosen = message[field.oneof.localName] as { case: string | undefined; value?: unknown };
    return chosen.case === field.localName ? chosen.value : undefined;
  }
  const value = message[field.localName];
  switch (field.fieldKind) {
    case "list":
      return (value as unknown[]).length > 0 ? value : undefined;
    case "map":
      for (const _ in value as object) return value;
      return undefined;
    case "message":
      return value;
    default:
      // Fields with presence live on the prototype until they are set.
      if (field.presence !== IMPLICIT) return Object.hasOwn(message, field.localName) ? value : undefined;
      return isZero(value) ? undefined : value;
  }
}

const IMPLICIT = 2;

function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false || value === 0n || (value as Uint8Array).length === 0;
}
