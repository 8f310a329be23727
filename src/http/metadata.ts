/**
 * What a METADATA frame says of a stream beside its message: names and values that no rule of HTTP touches. An extension
 * of HTTP/2 that Envoy brought; of entries with the same name the first one counts.
 */
export type Metadata = ReadonlyMap<string, string>;
