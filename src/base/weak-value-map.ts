/** A map that does not keep its values alive: an entry is gone when nobody else holds its value any more. */
export class WeakValueMap<K, V extends object> {
  readonly #refs = new Map<K, WeakRef<V>>();
  readonly #gone = new FinalizationRegistry<K>((key) => {
    if (this.#refs.get(key)?.deref() === undefined) this.#refs.delete(key);
  });

  get(key: K): V | undefined {
    return this.#refs.get(key)?.deref();
  }

  set(key: K, value: V): void {
    this.#refs.set(key, new WeakRef(value));
    this.#gone.register(value, key);
  }
}
