import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { WeakValueMap } from "../../base/weak-value-map.ts";
import { decode, type MessageOf } from "../../proto/registry.ts";
import type { DiscoveryProtocol } from "./discovery-response.ts";
import { Interest } from "./interest.ts";

type Node = MessageOf<"envoy.config.core.v3.Node">;

/** A DiscoveryRequest or DeltaDiscoveryRequest, as far as it matters here. */
export interface DiscoveryRequest {
  readonly typeUrl: string;
  readonly versionInfo: string;
  readonly responseNonce: string;
  /** Text of error_detail; undefined when there is none. */
  readonly error: string | undefined;
  /** State of the world: all names asked for. Incremental: names asked for from now on. */
  readonly subscribe: Interest;
  readonly unsubscribe: Interest;
  /** Incremental: what the client has from an earlier stream, versions by name. */
  readonly known: ReadonlyMap<string, string>;
  /** Decodes the node; undefined when the request has none. */
  node(): Node | undefined;
}

// Field numbers of envoy.service.discovery.v3. Clients send lists of a thousand names again and again, and a node of
// several kilobytes: neither is decoded unless it is news.
const SOTW = { version: 1, node: 2, names: 3, typeUrl: 4, nonce: 5, error: 6, locators: 7 };
const DELTA = { node: 1, typeUrl: 2, names: 3, unsubscribe: 4, known: 5, nonce: 6, error: 7, locators: 8 };
const NODE_EXTENSIONS = 9;
const STATUS_MESSAGE = 2;

/** Lists of names by their bytes, decoded once for all clients that send them. */
const interests = new WeakValueMap<string, Interest>();
const NOTHING_KNOWN: ReadonlyMap<string, string> = new Map();

/** Decodes a request; the bytes may be lent. Throws for bytes that are no such message. */
export function decodeRequest(protocol: DiscoveryProtocol, bytes: Buffer): DiscoveryRequest {
  const fields = protocol === "sotw" ? SOTW : DELTA;
  const {
    version = -1,
    unsubscribe: unsubscribeField = -1,
    known: knownField = -1,
  } = fields as {
    version?: number;
    unsubscribe?: number;
    known?: number;
  };
  const reader = new BinaryReader(bytes);
  const names: Names = { start: -1, end: -1 };
  const unsubscribe: Names = { start: -1, end: -1 };
  let node: Buffer | undefined;
  let [typeUrl, versionInfo, responseNonce] = ["", "", ""];
  let error: string | undefined;
  let known: Map<string, string> | undefined;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    if (field === fields.names) widen(names, start, skip(reader, wire, field));
    else if (field === unsubscribeField) widen(unsubscribe, start, skip(reader, wire, field));
    else if (field === fields.node) node = Buffer.from(reader.bytes());
    else if (field === fields.typeUrl) typeUrl = reader.string();
    else if (field === version) versionInfo = reader.string();
    else if (field === fields.nonce) responseNonce = reader.string();
    else if (field === fields.error) error = statusMessage(reader.bytes());
    else if (field === knownField) readEntry(reader.bytes(), (known ??= new Map()));
    else reader.skip(wire, field);
  }
  return {
    typeUrl,
    versionInfo,
    responseNonce,
    error,
    subscribe: interestOf(bytes, names, fields.names),
    unsubscribe: interestOf(bytes, unsubscribe, unsubscribeField),
    known: known ?? NOTHING_KNOWN,
    node: () => (node === undefined ? undefined : decodeNode(node)),
  };
}

/** Where the entries of a repeated field lie. */
interface Names {
  start: number;
  end: number;
}

function widen(names: Names, start: number, end: number): void {
  if (names.start < 0) names.start = start;
  names.end = end;
}

function skip(reader: BinaryReader, wire: WireType, field: number): number {
  reader.skip(wire, field);
  return reader.pos;
}

function interestOf(bytes: Buffer, { start, end }: Names, field: number): Interest {
  if (start < 0) return Interest.none;
  const key = bytes.toString("latin1", start, end);
  let interest = interests.get(key);
  if (interest === undefined) {
    interest = Interest.of(readNames(bytes.subarray(start, end), field));
    interests.set(key, interest);
  }
  return interest;
}

/** Serializers write the entries of a field together; what stands between them is passed over. */
function readNames(bytes: Uint8Array, wanted: number): string[] {
  const reader = new BinaryReader(bytes);
  const names: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === wanted) names.push(reader.string());
    else reader.skip(wire, field);
  }
  return names;
}

function readEntry(bytes: Uint8Array, into: Map<string, string>): void {
  const reader = new BinaryReader(bytes);
  let [key, value] = ["", ""];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else reader.skip(wire, field);
  }
  into.set(key, value);
}

function statusMessage(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let message = "";
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === STATUS_MESSAGE) message = reader.string();
    else reader.skip(wire, field);
  }
  return message;
}

/** The list of extensions is most of Envoy's node, and nobody asks for it. */
function decodeNode(bytes: Buffer): Node {
  const reader = new BinaryReader(bytes);
  const kept: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    reader.skip(wire, field);
    if (field !== NODE_EXTENSIONS) kept.push(bytes.subarray(start, reader.pos));
  }
  return decode("envoy.config.core.v3.Node", Buffer.concat(kept));
}
