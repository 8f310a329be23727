import { systemClock } from "../../base/clock.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { CatalogStore } from "./catalog-store.ts";
import type { SourceNotes } from "./source-notes.ts";
import type { OptionValues } from "./source-options.ts";
import type { DiscoverySourceDef, SourceContext, SourceLog } from "./source.ts";

const RESTART_MS = 5000;

/** Feeds the catalog from one source until the signal says stop. */
export async function followSource(
  source: DiscoverySourceDef,
  options: OptionValues,
  name: string,
  parts: {
    readonly catalog: CatalogStore;
    readonly notes: SourceNotes;
    readonly log: SourceLog;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { catalog, notes, log, signal } = parts;
  const context: SourceContext = {
    signal,
    log: notingLog(log, notes),
    note: (subject, reason) => notes.note(subject, reason),
  };
  while (!signal.aborted) {
    try {
      for await (const reading of source.watch(options, context)) {
        if (signal.aborted) return;
        catalog.apply(name, reading, systemClock.wall());
      }
    } catch (error) {
      // A fault in one source must not end the others, nor what nodes are served.
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.warn(`source ${name} failed and is started again: ${text}`);
      catalog.apply(name, { kind: "error", error: String(error) }, systemClock.wall());
    }
    await sleep(RESTART_MS, undefined, { signal }).catch(() => {});
  }
}

/** What is logged as left out is a note, too. */
function notingLog(log: SourceLog, notes: SourceNotes): SourceLog {
  return {
    info: (message) => log.info(message),
    warn(message) {
      const [, subject, reason] = /^leaving out (.+?): (.+)$/.exec(message) ?? [];
      if (subject !== undefined && reason !== undefined) notes.note(subject, reason);
      log.warn(message);
    },
  };
}
