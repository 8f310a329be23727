import type { JsonValue } from "@bufbuild/protobuf";
import { mergeMessage } from "../../proto/merge.ts";
import { fromJson, toJson, type MessageName } from "../../proto/registry.ts";

/**
 * A message in JSON form with the policy's own patches merged on top, one after the other, as protobuf merges: lists are
 * appended, messages are merged field by field, everything else is replaced.
 */
export function patched(type: MessageName, json: JsonValue, patches: readonly object[]): JsonValue {
  if (patches.length === 0) return json;
  const message = fromJson(type, json);
  for (const patch of patches) mergeMessage(type, message, fromJson(type, patch as JsonValue));
  return toJson(type, message);
}
