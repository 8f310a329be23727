// Where counters, gauges and histogram buckets live: 8-byte slots in shared memory. Each thread writes its own slots with
// plain stores and the main thread sums them on scrape: a plain add costs 2 ns, an atomic one 10.

/**
 * What a number holds that nobody wrote to. Any write, also of 0, turns it into another number, so that a slot remembers
 * for free whether it was used.
 */
export const NEVER_WRITTEN: number = -0;

/** Slots per chunk; a chunk is one SharedArrayBuffer of 32 KiB. */
export const CHUNK_SLOTS = 4096;

/** What a slot holds. */
export type StatKind = "counter" | "gauge" | "histogram";

/** Names of slots that a thread began to use; sent to the main thread. */
export interface StatDeclaration {
  readonly name: string;
  readonly kind: StatKind;
  readonly chunk: number;
  readonly slot: number;
  /** 1, or the number of buckets of a histogram plus two for count and sum. */
  readonly length: number;
}

/** What a thread sends when it has new chunks or names. */
export interface StatUpdate {
  readonly chunks: readonly { readonly index: number; readonly buffer: SharedArrayBuffer }[];
  readonly declarations: readonly StatDeclaration[];
}
