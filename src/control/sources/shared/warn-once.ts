import type { SourceLog } from "../../catalog/source.ts";

const MAX_REMEMBERED = 1000;

/** A warning that is logged once, however often the same is seen. */
export function warnOnce(log: SourceLog): (message: string) => void {
  const warned = new Set<string>();
  return (message) => {
    if (warned.has(message)) return;
    if (warned.size >= MAX_REMEMBERED) warned.clear();
    warned.add(message);
    log.warn(message);
  };
}
