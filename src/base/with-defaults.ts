/** `given` over `defaults`; a field that is set to undefined counts as left out. */
export function withDefaults<G extends object, D extends object>(
  given: G,
  defaults: D,
): Omit<G, keyof D> & { [K in keyof D]: K extends keyof G ? Exclude<G[K], undefined> : D[K] } {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(set) } as ReturnType<typeof withDefaults<G, D>>;
}
