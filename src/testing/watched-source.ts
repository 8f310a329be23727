import type { TestContext } from "node:test";
import type { Reading } from "../control/model.ts";
import { parseSource, type DiscoverySourceDef } from "../control/catalog/source.ts";

/** A discovery source at work, for a test that looks at its readings one after the other. */
export class WatchedSource {
  readonly #readings: AsyncIterator<Reading>;
  readonly #stopping = new AbortController();
  /** Everything that it logged. */
  readonly logged: string[] = [];

  /** `options` as after `--source NAME:`. Retries come fast. The test's end stops it. */
  constructor(
    test: TestContext,
    source: DiscoverySourceDef,
    options: string,
    env: Record<string, string> = {},
  ) {
    const values = parseSource(`${source.name}:${options}`, [source], env).options;
    const log = (message: string) => void this.logged.push(message);
    const context = { signal: this.#stopping.signal, log: { info: log, warn: log }, retryMs: 10 };
    this.#readings = source.watch(values, context)[Symbol.asyncIterator]();
    test.after(() => this.stop());
  }

  stop(): void {
    this.#stopping.abort();
    // As a loop that is left does, so that what the source holds open is closed.
    void this.#readings.return?.();
  }

  /** The next reading. Throws when none comes in time. */
  async next(ms = 3000): Promise<Reading> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`no reading; logged: ${this.logged.join("; ")}`)),
      ms,
    );
    try {
      const { value, done } = await Promise.race([this.#readings.next(), late.promise]);
      if (done === true) throw new Error("the source ended");
      return value as Reading;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next reading in short, as `describeReading` puts it. */
  async nextText(ms?: number): Promise<string> {
    return describeReading(await this.next(ms));
  }

  /** Reads on until a reading in short is this; the short forms of all that came before are in the error otherwise. */
  async until(wanted: string | RegExp, ms = 5000): Promise<void> {
    const seen: string[] = [];
    const deadline = performance.now() + ms;
    for (;;) {
      const text = await this.nextText(Math.max(3000, ms)).catch((error: unknown) => `! ${String(error)}`);
      if (typeof wanted === "string" ? text === wanted : wanted.test(text)) return;
      if (seen.at(-1) !== text) seen.push(text);
      if (text.startsWith("! ") || performance.now() > deadline)
        throw new Error(`wanted ${String(wanted)}, saw:\n${seen.join("\n")}`);
    }
  }
}

/**
 * A reading on one line: services in order, each as `name=ip:port,…`, an endpoint with its weight (`*2`), health (`!u`)
 * and zone (`@a`) where they are not the default; after the endpoints `?` when losses are not confirmed and `+1` for
 * what could not be read; then the deleted services as `-name`. Errors as `error: …`.
 */
export function describeReading(reading: Reading): string {
  if (reading.kind === "error") return `error: ${reading.error}`;
  const services = [...reading.services].sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = services.map(([name, { endpoints, confirmed, unreadable = 0 }]) => {
    const list = endpoints
      .map(({ ip, port, weight, health, zone }) => {
        const marks = [
          weight === 1 ? "" : `*${weight}`,
          health === "healthy" ? "" : `!${health[0]}${health[1]}`,
        ];
        return `${ip}:${port}${marks.join("")}${zone === "" ? "" : `@${zone}`}`;
      })
      .sort();
    return `${name}=${list.join(",")}${confirmed ? "" : "?"}${unreadable > 0 ? `+${unreadable}` : ""}`;
  });
  const deleted = [...(reading.deleted ?? [])].sort().map((name) => `-${name}`);
  const missing =
    reading.incomplete === undefined || reading.incomplete === "" ? [] : [`(${reading.incomplete})`];
  return [...parts, ...deleted, ...missing].join(" ");
}
