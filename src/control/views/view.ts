import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { Catalog } from "../model.ts";
import type { Resource, ResourceCache } from "../resource.ts";

/** Who asks: the node of a discovery request, as far as views care. */
export interface NodeIdentity {
  readonly id: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
  readonly userAgent: string;
  /** Where it connects from. */
  readonly peer: string;
  readonly metadata: Readonly<Record<string, JsonValue>>;
  /** `metadata.weft` of the node: what a sidecar says of itself. */
  readonly weft: Readonly<Record<string, JsonValue>>;
}

/** All that the shared part of a view may look at. */
export interface ViewInput {
  readonly catalog: Catalog;
  readonly policy: MeshPolicy;
  readonly cache: ResourceCache;
}

/**
 * What a group of nodes is served. Views may be made anew for each node: those with equal keys are one view, and under one
 * policy they have the same shared resources.
 */
export interface View {
  readonly key: string;
  /** For people. */
  readonly name: string;
  /** What all nodes of the view get. */
  shared(input: ViewInput): readonly Resource[];
  /** What this node gets besides. Throws an Error that says what the node must tell and does not. */
  own(node: NodeIdentity, policy: MeshPolicy): readonly Resource[];
}

/** JSON of a message inside an Any. */
export function typed(type: string, fields: Record<string, JsonValue> = {}): JsonValue {
  return { "@type": `type.googleapis.com/${type}`, ...fields };
}

/** `ADDRESS:PORT` as a socket address. Throws when it is not one. */
export function socketAddress(text: string): JsonValue {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  const address = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  if (colon <= 0 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`"${text}" is not ADDRESS:PORT`);
  }
  return { socket_address: { address, port_value: port } };
}

/** Milliseconds as a protobuf duration. */
export function duration(ms: number): string {
  return `${ms / 1000}s`;
}
