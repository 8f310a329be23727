import type { JsonValue } from "@bufbuild/protobuf";
import type { Catalog } from "../model.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { Resource } from "../xds/resource.ts";
import type { ResourceCache } from "../xds/resource-cache.ts";
import type { ResourceTypeName } from "../xds/resource-type.ts";

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
 * Makes a resource of what is described as JSON. A description that is a function of `inputs` alone is called only when
 * one of them is another object than last time: for resources of which there are many.
 */
export type Emit = (
  type: ResourceTypeName,
  name: string,
  json: JsonValue | (() => JsonValue),
  inputs?: readonly unknown[],
) => Resource;

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

/** Why a node gets no view. */
export interface Refusal {
  readonly refused: string;
}
