import { formatPath, type Path } from "./path.ts";

const paths = new WeakMap<Error, Path>();

/** Does something with the part of a message at `path`: an Error that comes out of it remembers where it happened. */
export function within<T>(path: Path, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error) paths.set(error, [...path, ...pathOf(error)]);
    throw error;
  }
}

/** Where an Error happened, as far as `within` was told; [] for the whole message. */
export function pathOf(error: Error): Path {
  return paths.get(error) ?? [];
}

/** The text of an Error with its path, as in `unknown cluster 'x' (at virtual_hosts[0].routes[2])`. */
export function textWithPath(error: Error): string {
  const path = formatPath(pathOf(error));
  return path === "" ? error.message : `${error.message} (at ${path})`;
}
