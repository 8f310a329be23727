// Typed access to Envoy's v3 messages through one descriptor set that is read at first use. No generated code is loaded:
// the declarations in types/ only describe the shapes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  create as createMessage,
  fromBinary,
  fromJson as messageFromJson,
  toBinary,
  toJson as messageToJson,
} from "@bufbuild/protobuf";
import type {
  DescMessage,
  JsonObject,
  JsonValue,
  Message,
  MessageInitShape,
  Registry,
} from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type * as wkt from "@bufbuild/protobuf/wkt";
import type { Any } from "@bufbuild/protobuf/wkt";
import { DescriptorSet } from "./descriptor-set.ts";
import type { Messages } from "./messages.d.ts";

/** Every message type of the descriptor set by full name, with its shape. */
export interface MessageTypes extends Messages {
  "google.protobuf.Any": wkt.Any;
  "google.protobuf.BoolValue": wkt.BoolValue;
  "google.protobuf.BytesValue": wkt.BytesValue;
  "google.protobuf.DoubleValue": wkt.DoubleValue;
  "google.protobuf.Duration": wkt.Duration;
  "google.protobuf.Empty": wkt.Empty;
  "google.protobuf.FieldMask": wkt.FieldMask;
  "google.protobuf.FloatValue": wkt.FloatValue;
  "google.protobuf.Int32Value": wkt.Int32Value;
  "google.protobuf.Int64Value": wkt.Int64Value;
  "google.protobuf.ListValue": wkt.ListValue;
  "google.protobuf.StringValue": wkt.StringValue;
  "google.protobuf.Struct": wkt.Struct;
  "google.protobuf.Timestamp": wkt.Timestamp;
  "google.protobuf.UInt32Value": wkt.UInt32Value;
  "google.protobuf.UInt64Value": wkt.UInt64Value;
  "google.protobuf.Value": wkt.Value;
}

/** Full name of a message type, such as "envoy.config.route.v3.Route". */
export type MessageName = keyof MessageTypes;
/** The shape of the message type with this full name. */
export type MessageOf<N extends MessageName> = MessageTypes[N];
/** What `create` takes: nested plain objects are fine, everything is optional. */
export type MessageInit<N extends MessageName> = MessageInitShape<GenMessage<MessageTypes[N]>>;

/** The prefix of type URLs in xDS and in `@type`. */
export const TYPE_URL_PREFIX = "type.googleapis.com/";

let loaded: DescriptorSet | undefined;

/** All descriptors: messages, enums, extensions (options) and services, each made when it is first looked up. */
export function registry(): Registry {
  loaded ??= new DescriptorSet(readFileSync(join(import.meta.dirname, "envoy.binpb")));
  return loaded;
}

/** Descriptor of a message type known at compile time. */
export function schema<N extends MessageName>(name: N): GenMessage<MessageTypes[N]> {
  const found = findSchema(name);
  if (found === undefined) throw new Error(`Message type "${name}" is not in the descriptor set`);
  return found as GenMessage<MessageTypes[N]>;
}

/** Descriptor of a message type named at run time, or undefined if Envoy's API has no such type. */
export function findSchema(name: string): DescMessage | undefined {
  return registry().getMessage(name);
}

/** A message with defaults, filled from `init`. */
export function create<N extends MessageName>(name: N, init?: MessageInit<N>): MessageOf<N> {
  return createMessage(schema(name), init) as MessageOf<N>;
}

/** Parses protobuf bytes. Throws if they are malformed. */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array): MessageOf<N> {
  return fromBinary(schema(name), bytes) as MessageOf<N>;
}

/** Serializes to protobuf bytes; equal messages give equal bytes unless they hold maps filled in another order. */
export function encode<N extends MessageName>(name: N, message: MessageOf<N>): Uint8Array {
  return toBinary<DescMessage>(schema(name), message as Message);
}

/** Parses protobuf JSON; throws at the first error. For files of users take `loadMessage`, which reports all with positions. */
export function fromJson<N extends MessageName>(name: N, json: JsonValue): MessageOf<N> {
  return messageFromJson(schema(name), json, { registry: registry() }) as MessageOf<N>;
}

/** Protobuf JSON with the field names of the .proto files and `Any` expanded, as Envoy's config_dump prints it. */
export function toJson<N extends MessageName>(name: N, message: MessageOf<N>): JsonValue {
  const options = {
    registry: registry(),
    useProtoFieldName: true,
  };
  return typeFirst(messageToJson(schema(name) as DescMessage, message as Message, options) as JsonValue);
}

/** Any message as protobuf JSON, its type taken from the message. */
export function anyToJson(message: Message): JsonValue {
  return toJson(message.$typeName as MessageName, message as never);
}

/** Full name of the message type inside an `Any` (the part of the type URL behind the last slash). */
export function typeNameOf(any: Pick<Any, "typeUrl">): string {
  return any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
}

/** Opens an `Any`. Returns undefined if the type is not part of Envoy's API; throws if the bytes are malformed. */
export function unpackAny(any: Any): { typeName: string; message: Message } | undefined {
  const typeName = typeNameOf(any);
  const found = findSchema(typeName);
  return found === undefined ? undefined : { typeName, message: fromBinary(found, any.value) };
}

/**
 * Opens an `Any` that must hold the given type. As in Envoy, a TypedStruct (xds.type.v3 or udpa.type.v1) that names
 * the type is converted, and so is a plain google.protobuf.Struct. Throws if another type is inside.
 */
export function unpackAs<N extends MessageName>(any: Any, name: N): MessageOf<N> {
  const inside = typeNameOf(any);
  if (inside === name) return decode(name, any.value);
  const opaque = opaqueConfig(any, inside);
  if (opaque === undefined || (opaque.typeName !== undefined && opaque.typeName !== name)) {
    throw new Error(`Unable to unpack as ${name}: the message is a ${opaque?.typeName ?? inside}`);
  }
  return fromJson(name, opaque.json);
}

/** The type a typed config means: that of the `Any`, or the one a TypedStruct inside it names. */
export function configTypeName(any: Any): string {
  const inside = typeNameOf(any);
  return opaqueConfig(any, inside)?.typeName ?? inside;
}

/** Wraps a message into an `Any`. */
export function packAny<N extends MessageName>(name: N, message: MessageOf<N>): Any {
  return create("google.protobuf.Any", { typeUrl: TYPE_URL_PREFIX + name, value: encode(name, message) });
}

/** Creates a message from `init` and wraps it into an `Any`. */
export function packNew<N extends MessageName>(name: N, init?: MessageInit<N>): Any {
  return packAny(name, create(name, init));
}

function opaqueConfig(
  any: Any,
  inside: string,
): { typeName: string | undefined; json: JsonObject } | undefined {
  if (inside === "xds.type.v3.TypedStruct" || inside === "udpa.type.v1.TypedStruct") {
    const typed = decode(inside, any.value);
    return { typeName: typeNameOf(typed), json: typed.value ?? {} };
  }
  if (inside === "google.protobuf.Struct") {
    const json = toJson("google.protobuf.Struct", decode("google.protobuf.Struct", any.value));
    return { typeName: undefined, json: json as JsonObject };
  }
  return undefined;
}

/** Puts "@type" before the fields of an expanded Any, where readers (and Envoy) have it. */
function typeFirst(json: JsonValue): JsonValue {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) {
    for (let i = 0; i < json.length; i++) json[i] = typeFirst(json[i]!);
    return json;
  }
  for (const key in json) json[key] = typeFirst(json[key]!);
  return "@type" in json ? { "@type": json["@type"]!, ...json } : json;
}
