// protobuf's MergeFrom, which Envoy applies for --config-yaml on top of the file. (protobuf-es' own merge loses fields
// of wrapper types when both sides have them.)
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { fieldValue, isUnwrapped } from "./message-info.ts";
import type { Fields } from "./message-info.ts";
import { schema } from "./registry.ts";
import type { MessageName, MessageOf } from "./registry.ts";

/** Merges `from` into `into`: lists are appended, maps united, set scalars override, messages merge field by field. */
export function mergeMessage<N extends MessageName>(name: N, into: MessageOf<N>, from: MessageOf<N>): void {
  merge(schema(name), into as Message as Fields, from as Message as Fields);
}

function merge(desc: DescMessage, into: Fields, from: Fields): void {
  for (const field of desc.fields) {
    const value = fieldValue(from, field);
    if (value === undefined) continue;
    const old = fieldValue(into, field);
    if (field.fieldKind === "list") (into[field.localName] as unknown[]).push(...(value as unknown[]));
    else if (field.fieldKind === "map") Object.assign(into[field.localName] as object, value);
    else if (old !== undefined && field.fieldKind === "message") {
      if (isUnwrapped(field)) {
        // The wrapper's own value has no presence, so a zero overrides nothing.
        if (!isZero(value)) into[field.localName] = value;
      } else if (field.message.typeName === "google.protobuf.Struct") Object.assign(old as object, value);
      else merge(field.message, old as Fields, value as Fields);
    } else if (field.oneof !== undefined) into[field.oneof.localName] = { case: field.localName, value };
    else into[field.localName] = value;
  }
}

function isZero(value: unknown): boolean {
  return value === 0 || value === 0n || value === false || value === "" || (value as Uint8Array).length === 0;
}
