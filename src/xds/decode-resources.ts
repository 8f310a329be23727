import { encode, findSchema, typeNameOf, unpackAny, unpackAs } from "../proto/registry.ts";
import type { MessageOf } from "../proto/registry.ts";
import { firstViolation, validateMessage } from "../proto/validate.ts";
import type { Any, Resource, ResourceDecoder } from "./source.ts";
import type { XdsType } from "./types.ts";

const RESOURCE = "envoy.service.discovery.v3.Resource";

/**
 * Opens packed resources (also wrapped in envoy.service.discovery.v3.Resource), checks the API's rules and returns
 * them in the order they came. Throws an Error with Envoy's text for the first bad one.
 */
export function decodeResources(type: XdsType, packed: readonly Any[]): Resource[] {
  return packed.map((any) => decodeResource(type, any));
}

/**
 * A decoder for one source that remembers what it gave last: state-of-the-world answers repeat ten thousand resources
 * when one of them changed. What comes again byte by byte is the same object as before.
 */
export function rememberingDecoder(): ResourceDecoder {
  const remembered = new Map<XdsType, Map<string, Resource>>();
  return (type, packed) => {
    const before = remembered.get(type);
    const now = new Map<string, Resource>();
    const resources = packed.map((any) => {
      const { buffer, byteOffset, byteLength } = any.value;
      const key = any.typeUrl + Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
      const resource = before?.get(key) ?? decodeResource(type, any);
      now.set(key, resource);
      return resource;
    });
    remembered.set(type, now);
    return resources;
  };
}

function decodeResource(type: XdsType, any: Any): Resource {
  const outer = typeNameOf(any);
  let inner = any;
  if (outer === RESOURCE) {
    const wrapper = unpackAny(any)!.message as MessageOf<typeof RESOURCE>;
    if (wrapper.resource === undefined) throw new Error(`resource "${wrapper.name}" is empty`);
    inner = wrapper.resource;
  }
  if (findSchema(typeNameOf(inner)) === undefined) {
    throw new Error(`could not find @type '${inner.typeUrl}'`);
  }
  if (typeNameOf(inner) !== type.message) {
    throw new Error(
      `type URL ${inner.typeUrl} embedded in an individual Any does not match the message-wide type URL ${type.typeUrl} in DiscoveryResponse`,
    );
  }
  const message = unpackAs(inner, type.message);
  const violation = firstViolation(validateMessage(message));
  if (violation !== undefined) throw new Error(violation.envoyText);
  const name = String((message as unknown as Record<string, unknown>)[type.nameField]);
  return { name, message: message as Resource["message"], bytes: encode(type.message, message) };
}
