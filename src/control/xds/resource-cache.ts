import type { JsonValue } from "@bufbuild/protobuf";
import { encodeResource, type Resource } from "./resource.ts";
import type { ResourceTypeName } from "./resource-type.ts";

interface Entry {
  readonly resource: Resource;
  /** JSON text of the resource; "" when it follows from `inputs`. */
  readonly source: string;
  readonly inputs: readonly unknown[];
}

type Entries = Map<ResourceTypeName, Map<string, Entry>>;

const NO_INPUTS: readonly unknown[] = [];

/** Encodes what a view describes as JSON; what did not change is not encoded again. */
export class ResourceCache {
  #current: Entries = new Map();
  #next: Entries = new Map();

  /** The resource that `json` describes. */
  get(type: ResourceTypeName, name: string, json: JsonValue): Resource {
    const source = JSON.stringify(json);
    const known = this.#find(type, name);
    return this.#keep(
      type,
      name,
      known?.source === source
        ? known
        : { resource: encodeResource(type, name, json), source, inputs: NO_INPUTS },
    );
  }

  /**
   * The resource that follows from `inputs`. `describe` is asked for its JSON only when one of them is another object, or
   * another string or number, than last time: for resources of which there are many, this is much cheaper than `get`.
   */
  derive(
    type: ResourceTypeName,
    name: string,
    inputs: readonly unknown[],
    describe: () => JsonValue,
  ): Resource {
    const known = this.#find(type, name);
    if (known !== undefined && known.source === "" && sameItems(known.inputs, inputs)) {
      return this.#keep(type, name, known);
    }
    const fresh = encodeResource(type, name, describe());
    // The old object for equal content: whoever compares finds nothing to do.
    const resource = known?.resource.version === fresh.version ? known.resource : fresh;
    return this.#keep(type, name, { resource, source: "", inputs });
  }

  /** To be called when everything was asked for: forgets what was not. */
  sweep(): void {
    this.#current = this.#next;
    this.#next = new Map();
  }

  #find(type: ResourceTypeName, name: string): Entry | undefined {
    return this.#current.get(type)?.get(name);
  }

  #keep(type: ResourceTypeName, name: string, entry: Entry): Resource {
    let entries = this.#next.get(type);
    if (entries === undefined) this.#next.set(type, (entries = new Map()));
    entries.set(name, entry);
    return entry.resource;
  }
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
