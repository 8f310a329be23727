import { setTimeout as sleep } from "node:timers/promises";
import type { Reading } from "../../model.ts";
import type { SourceContext } from "../../catalog/source.ts";
import { describeError } from "../../../base/describe-error.ts";

const RETRY_MS = 500;
const MAX_RETRY_MS = 5000;
/** Of the time between readings, the part that taking them may use. */
const WORK_SHARE = 0.2;
/** Readings that are taken faster than this, in milliseconds, are not slowed down. */
const CHEAP_MS = 10;

/**
 * Yields what a session yields, no faster than its taker can bear. A session that throws becomes an error reading, is logged once, and is begun anew with
 * growing pauses. The signal that a session gets also ends when the session does, so that nothing outlives it.
 */
export async function* follow(
  address: string,
  context: SourceContext,
  session: (signal: AbortSignal) => AsyncIterable<Reading>,
): AsyncGenerator<Reading> {
  // Addresses may hold a password.
  const place = address.replaceAll(/\/\/[^/@\s]*@/g, "//");
  const { signal, log, retryMs = RETRY_MS } = context;
  let failures = 0;
  let incomplete = "";
  while (!signal.aborted) {
    const ended = new AbortController();
    try {
      for await (const reading of session(AbortSignal.any([signal, ended.signal]))) {
        if (failures > 0) log.info(`${place} answers again`);
        failures = 0;
        const missing = (reading.kind === "ok" && reading.incomplete) || "";
        if (missing !== "" && missing !== incomplete)
          log.warn(`cannot read all of ${place}: ${missing}; keeping what is known of the rest`);
        incomplete = missing;
        const begun = performance.now();
        yield reading;
        if (signal.aborted) return;
        const cost = performance.now() - begun;
        if (cost > CHEAP_MS) await pause(cost * (1 / WORK_SHARE - 1), signal);
      }
      throw new Error("the connection ended");
    } catch (error) {
      if (signal.aborted) return;
      const text = describeError(error);
      if (failures++ === 0) log.warn(`cannot read ${place}: ${text}; keeping what is known`);
      yield { kind: "error", error: text };
    } finally {
      ended.abort();
    }
    await pause(Math.min(MAX_RETRY_MS, retryMs * 2 ** Math.min(failures - 1, 6)), signal);
  }
}

/** Waits, or less when the signal ends it. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => {});
}

/** A session that reads again after each interval, give or take a tenth, so that replicas do not ask in step. */
export function poll(
  intervalMs: number,
  read: (signal: AbortSignal) => Promise<Reading>,
): (signal: AbortSignal) => AsyncGenerator<Reading> {
  return async function* (signal) {
    while (!signal.aborted) {
      yield await read(signal);
      await pause(intervalMs * (0.9 + 0.2 * Math.random()), signal);
    }
  };
}
