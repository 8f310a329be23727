import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { Resource } from "../xds/resource.ts";
import type { ClientLimits, Scope } from "./scope.ts";
import type { Emit, NodeIdentity } from "./view.ts";

/** Whom the access rules are asked about. */
export interface Asker {
  /** The service beside a sidecar or inside a gRPC client; the name of the view for others. */
  readonly caller: string;
}

/** How one kind of view is made. */
export interface ViewKind {
  /** Endpoints of other regions are not for these nodes. */
  readonly ownRegionOnly?: boolean;
  readonly limits?: ClientLimits;
  shared(scope: Scope, asker: Asker): readonly Resource[];
  /** Throws an Error that says what the node must tell and does not. */
  own(node: NodeIdentity, policy: MeshPolicy, emit: Emit): readonly Resource[];
}
