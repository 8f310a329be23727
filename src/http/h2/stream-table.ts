import type { H2Stream } from "./h2-stream.ts";

const FIRST_CAPACITY = 4;

/**
 * Open streams by id. Ids of one side grow by two, so that their halves fill the buckets evenly; a Map would rehash every few
 * streams. Holds no memory before the first stream.
 */
export class StreamTable {
  size = 0;
  #buckets: (H2Stream | null)[] = [];
  #mask = -1;

  get(id: number): H2Stream | undefined {
    if (this.#mask < 0) return undefined;
    let stream = this.#buckets[(id >>> 1) & this.#mask]!;
    while (stream !== null && stream.id !== id) stream = stream.nextInBucket!;
    return stream ?? undefined;
  }

  add(stream: H2Stream): void {
    if (this.size > this.#mask) this.#enlarge();
    this.#link(stream);
    this.size++;
  }

  remove(stream: H2Stream): void {
    const bucket = (stream.id >>> 1) & this.#mask;
    let at = this.#buckets[bucket]!;
    if (at === stream) {
      this.#buckets[bucket] = stream.nextInBucket;
    } else {
      while (at.nextInBucket !== stream) at = at.nextInBucket!;
      at.nextInBucket = stream.nextInBucket;
    }
    stream.nextInBucket = null;
    this.size--;
  }

  /** All of them, in the order of their ids. */
  list(): H2Stream[] {
    const streams: H2Stream[] = [];
    for (const bucket of this.#buckets)
      for (let stream = bucket; stream !== null; stream = stream.nextInBucket) streams.push(stream);
    return streams.sort((a, b) => a.id - b.id);
  }

  #link(stream: H2Stream): void {
    const bucket = (stream.id >>> 1) & this.#mask;
    stream.nextInBucket = this.#buckets[bucket]!;
    this.#buckets[bucket] = stream;
  }

  #enlarge(): void {
    const streams = this.list();
    const capacity = this.#mask < 0 ? FIRST_CAPACITY : (this.#mask + 1) * 2;
    this.#buckets = new Array<H2Stream | null>(capacity).fill(null);
    this.#mask = capacity - 1;
    for (const stream of streams) this.#link(stream);
  }
}
