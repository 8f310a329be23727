import type { JsonValue } from "@bufbuild/protobuf";
import type { Messages } from "../proto/messages.d.ts";

type Metadata = Messages["envoy.config.core.v3.Metadata"];

/** A key and the canonical text of its value. */
export type MetadataEntry = readonly [key: string, value: string];

/** Namespace of the metadata that load balancing goes by. */
const NAMESPACE = "envoy.lb";

/** What hosts must have in their metadata, as a route asks for it. Its texts are made once, for lookups. */
export class MetadataMatch {
  /** In the order of keys. */
  readonly entries: readonly MetadataEntry[];
  /** Identifies the keys, whatever their values. */
  readonly keys: string;
  /** Identifies keys and values. */
  readonly text: string;

  constructor(entries: readonly MetadataEntry[]) {
    this.entries = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.keys = textOfKeys(this.entries.map(([key]) => key));
    this.text = JSON.stringify(this.entries);
  }

  /** `metadata_match` of a route, of which entries of `outer` that have other keys are left. Undefined = it asks for nothing. */
  static of(metadata: Metadata | undefined, outer?: MetadataMatch): MetadataMatch | undefined {
    const fields = metadata?.filterMetadata[NAMESPACE];
    if (fields === undefined) return outer;
    const entries = new Map(outer?.entries);
    for (const [key, value] of Object.entries(fields)) entries.set(key, canonicalText(value));
    return new MetadataMatch([...entries]);
  }

  /** Those entries that have one of `keys`. */
  narrow(keys: ReadonlySet<string>): MetadataMatch {
    return new MetadataMatch(this.entries.filter(([key]) => keys.has(key)));
  }
}

/** Identifies a set of keys, given in order. */
export function textOfKeys(keys: readonly string[]): string {
  return JSON.stringify(keys);
}

/** What a host has under a key, as canonical texts: one, or one for each element of a list with `listAsAny`; none without the key. */
export function hostValues(metadata: Metadata | undefined, key: string, listAsAny: boolean): string[] {
  const value = metadata?.filterMetadata[NAMESPACE]?.[key];
  if (value === undefined) return [];
  return listAsAny && Array.isArray(value) ? value.map(canonicalText) : [canonicalText(value)];
}

/** Equal values have the same text, in whatever order their fields are. */
export function canonicalText(value: JsonValue): string {
  return JSON.stringify(value, (_, each: JsonValue) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
