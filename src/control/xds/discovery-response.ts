import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FRAME_PREFIX, writeFramePrefix } from "../../grpc/frame.ts";
import type { Resource } from "./resource.ts";
import type { ResourceChanges } from "./resource-changes.ts";
import { typeUrl, VIRTUAL_HOST } from "./resource-type.ts";

/** State of the world or incremental. */
export type DiscoveryProtocol = "sotw" | "delta";

/** A response as gRPC carries it: pieces that never change and go to many streams. */
export interface EncodedResponse {
  readonly nonce: string;
  readonly frame: readonly Buffer[];
}

const IDENTIFIER = "weft-control";
const RESOURCE_URL = "type.googleapis.com/envoy.service.discovery.v3.Resource";

// Field numbers of envoy.service.discovery.v3. Written by hand: a response is mostly bytes that are there already, and
// messages that stand one after the other are one message with the fields of all.
const RESOURCES = 2;
const SOTW = { version: 1, typeUrl: 4, nonce: 5, controlPlane: 6 };
const DELTA = { version: 1, typeUrl: 4, nonce: 5, controlPlane: 7, removed: 6 };
const RESOURCE = { version: 1, resource: 2, name: 3, aliases: 4, ttl: 6 };
const ANY = { typeUrl: 1, value: 2 };

/** Pieces up to this are joined: a piece of its own costs more than a copy. */
const JOINED = 4096;

let lastNonce = 0;
/** The resources of what many nodes get, without version and nonce. */
const bodies = {
  sotw: new WeakMap<ResourceChanges, Buffer>(),
  delta: new WeakMap<ResourceChanges, Buffer>(),
};

/** Encodes a response under a new nonce. */
export function encodeResponse(protocol: DiscoveryProtocol, changes: ResourceChanges): EncodedResponse {
  const nonce = String(++lastNonce);
  const head = encodeHead(protocol, changes, nonce);
  const pieces = [
    ...(changes.common === undefined ? [] : [bodyOf(protocol, changes.common)]),
    encodeBody(protocol, changes, changes.own),
  ];
  const length = head.length + pieces.reduce((sum, piece) => sum + piece.length, 0);
  const prefix = Buffer.allocUnsafe(FRAME_PREFIX);
  writeFramePrefix(prefix, length);
  return { nonce, frame: join([prefix, head, ...pieces]) };
}

function encodeHead(protocol: DiscoveryProtocol, changes: ResourceChanges, nonce: string): Buffer {
  const fields = protocol === "sotw" ? SOTW : DELTA;
  const writer = new BinaryWriter();
  text(writer, fields.version, changes.version);
  text(writer, fields.typeUrl, typeUrl(changes.type));
  text(writer, fields.nonce, nonce);
  const controlPlane = text(new BinaryWriter(), 1, IDENTIFIER).finish();
  writer.tag(fields.controlPlane, WireType.LengthDelimited).bytes(controlPlane);
  if (protocol === "delta") {
    for (const name of changes.removed) text(writer, DELTA.removed, name);
    for (const name of changes.absent) {
      // A virtual host that is not there is told by its name without content (vhds.rst).
      if (changes.type === VIRTUAL_HOST) resource(writer, { name, aliases: [name], version: "" }, undefined);
      else text(writer, DELTA.removed, name);
    }
  }
  return asBuffer(writer.finish());
}

function bodyOf(protocol: DiscoveryProtocol, changes: ResourceChanges): Buffer {
  let body = bodies[protocol].get(changes);
  if (body === undefined) {
    body = encodeBody(protocol, changes, changes.resources);
    bodies[protocol].set(changes, body);
  }
  return body;
}

function encodeBody(
  protocol: DiscoveryProtocol,
  changes: ResourceChanges,
  resources: readonly Resource[],
): Buffer {
  if (resources.length === 0) return EMPTY;
  const url = typeUrl(changes.type);
  const writer = new BinaryWriter();
  for (const each of resources) {
    const content = changes.heartbeat ? undefined : each.bytes;
    if (protocol === "delta") resource(writer, each, content, url);
    else if (each.ttl === undefined) any(writer, RESOURCES, url, each.bytes);
    else {
      const wrapped = resourceFields(new BinaryWriter(), each, content, url).finish();
      any(writer, RESOURCES, RESOURCE_URL, wrapped);
    }
  }
  return asBuffer(writer.finish());
}

function resource(
  writer: BinaryWriter,
  each: Pick<Resource, "name" | "aliases" | "version" | "ttl">,
  content: Uint8Array | undefined,
  url = "",
): void {
  writer.tag(RESOURCES, WireType.LengthDelimited).fork();
  resourceFields(writer, each, content, url);
  writer.join();
}

function resourceFields(
  writer: BinaryWriter,
  each: Pick<Resource, "name" | "aliases" | "version" | "ttl">,
  content: Uint8Array | undefined,
  url: string,
): BinaryWriter {
  text(writer, RESOURCE.version, each.version);
  if (content !== undefined) any(writer, RESOURCE.resource, url, content);
  text(writer, RESOURCE.name, each.name);
  for (const alias of each.aliases ?? []) text(writer, RESOURCE.aliases, alias);
  if (each.ttl !== undefined) {
    writer.tag(RESOURCE.ttl, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).int64(Math.floor(each.ttl / 1000));
    writer.tag(2, WireType.Varint).int32(Math.round((each.ttl % 1000) * 1e6));
    writer.join();
  }
  return writer;
}

function any(writer: BinaryWriter, field: number, url: string, value: Uint8Array): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  text(writer, ANY.typeUrl, url);
  writer.tag(ANY.value, WireType.LengthDelimited).bytes(value);
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): BinaryWriter {
  return value === "" ? writer : writer.tag(field, WireType.LengthDelimited).string(value);
}

/** Short pieces that stand together become one. */
function join(pieces: readonly Buffer[]): Buffer[] {
  const joined: Buffer[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last !== undefined && last.length + piece.length <= JOINED)
      joined[joined.length - 1] = Buffer.concat([last, piece]);
    else if (piece.length > 0) joined.push(piece);
  }
  return joined;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const EMPTY = Buffer.alloc(0);
