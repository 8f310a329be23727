import { watch, type FSWatcher } from "node:fs";
import type { Clock } from "../../base/clock.ts";

/** Several renames within this many milliseconds are one change. */
const DEBOUNCE = 30;

/**
 * Calls back when something was moved into one of the directories: files are replaced by atomic moves, Kubernetes
 * volumes by moving a symbolic link. Writing in place is not noticed, so that half-written files are never read.
 * Returns how to stop.
 */
export function watchDirectories(
  paths: ReadonlySet<string>,
  clock: Clock,
  onChange: () => void,
  onError: (path: string, error: Error) => void,
): () => void {
  const watchers: FSWatcher[] = [];
  let cancel: (() => void) | undefined;
  for (const path of paths) {
    try {
      const watcher = watch(path, { persistent: false }, (event) => {
        if (event !== "rename") return;
        cancel?.();
        cancel = clock.after(DEBOUNCE, onChange);
      });
      watcher.on("error", (error) => onError(path, error));
      watchers.push(watcher);
    } catch (error) {
      onError(path, error as Error);
    }
  }
  return () => {
    cancel?.();
    for (const watcher of watchers) watcher.close();
  };
}
