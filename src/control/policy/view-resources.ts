import { decode, toJson } from "../../proto/registry.ts";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Catalog } from "../model.ts";
import type { Resource } from "../xds/resource.ts";
import { ResourceCache } from "../xds/resource-cache.ts";
import type { ResourceTypeName } from "../xds/resource-type.ts";
import { viewFor } from "../views/index.ts";
import type { NodeIdentity } from "../views/view.ts";
import type { MeshPolicy } from "./mesh-policy.ts";

/** What a node would be served under a policy; or why nothing. */
export type Served =
  | { readonly view: string; readonly resources: readonly Resource[] }
  | { readonly refused: string };

/** Works out what nodes would be served, without serving it. Nodes of one view share the work. */
export class ViewResources {
  readonly #catalog: Catalog;
  readonly #policy: MeshPolicy;
  readonly #cache = new ResourceCache();
  readonly #shared = new Map<string, readonly Resource[]>();

  constructor(catalog: Catalog, policy: MeshPolicy) {
    this.#catalog = catalog;
    this.#policy = policy;
  }

  of(node: NodeIdentity): Served {
    const view = viewFor(node, this.#policy);
    if ("refused" in view) return view;
    let shared = this.#shared.get(view.key);
    if (shared === undefined) {
      shared = view.shared({ catalog: this.#catalog, policy: this.#policy, cache: this.#cache });
      this.#shared.set(view.key, shared);
    }
    try {
      return { view: view.key, resources: [...shared, ...view.own(node, this.#policy)] };
    } catch (error) {
      return { refused: (error as Error).message };
    }
  }
}

/** A resource as protobuf JSON. */
export function resourceJson({ type, bytes }: Pick<Resource, "type" | "bytes">): JsonValue {
  return toJson(type, decode<ResourceTypeName>(type, bytes) as never);
}
