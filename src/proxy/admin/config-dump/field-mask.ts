// google.protobuf.FieldMask as /config_dump takes it: paths of .proto field names.
import type { DescMessage } from "@bufbuild/protobuf";
import { schema, type MessageName } from "../../../proto/registry.ts";

type Json = Readonly<Record<string, unknown>>;

/** Whether every path names a field; only the last part of a path may be a list or map. */
export function isFieldMask(desc: DescMessage, paths: readonly string[]): boolean {
  return paths.every((path) => isPath(desc, path.split(".")));
}

/**
 * The same for an element of a dump, in which an Any stands for the message of type `inside` that it holds. An Any alone
 * is no path, as in Envoy.
 */
export function isResourceMask(desc: DescMessage, paths: readonly string[], inside: MessageName): boolean {
  return paths.every((path) => {
    const parts = path.split(".");
    const field = desc.fields.find(({ name }) => name === parts[0]);
    if (field?.message?.typeName !== "google.protobuf.Any") return isPath(desc, parts);
    return parts.length > 1 && isPath(schema(inside), parts.slice(1));
  });
}

/** Only what the paths name. "@type" stays beside what is picked from inside an Any. */
export function pick(json: Json, paths: readonly string[]): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    if (key === "@type" || paths.includes(key)) {
      picked[key] = value;
      continue;
    }
    const inner = paths
      .filter((path) => path.startsWith(`${key}.`))
      .map((path) => path.slice(key.length + 1));
    if (inner.length > 0) picked[key] = pick(value as Json, inner);
  }
  return picked;
}

function isPath(desc: DescMessage, parts: readonly string[]): boolean {
  const field = desc.fields.find(({ name }) => name === parts[0]);
  if (field === undefined) return false;
  if (parts.length === 1) return true;
  return field.fieldKind === "message" && isPath(field.message, parts.slice(1));
}
