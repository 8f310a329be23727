import { systemClock } from "../base/clock.ts";
import { TextMetrics, type Counter } from "../base/text-metrics.ts";
import { addTrafficMetrics } from "./traffic/traffic-metrics.ts";
import type { Traffic } from "./traffic/traffic.ts";
import type { AdsSession } from "./xds/ads-session.ts";
import type { SourceReport } from "./catalog/catalog-store.ts";

/** Where gauges are read when somebody asks. */
export interface ControlState {
  sessions(): readonly AdsSession[];
  sources(): readonly SourceReport[];
  /** Why the history of the configuration cannot be followed; "" while it can. */
  historyTrouble(): string;
}

/** Everything `/metrics` of the control plane shows. */
export class ControlMetrics {
  readonly nacks: Counter;
  readonly pushes: Counter;
  readonly refusals: Counter;
  readonly #page = new TextMetrics();

  constructor(state: ControlState, traffic?: Traffic) {
    const page = this.#page;
    this.nacks = page.counter("weft_xds_nacks_total", "Responses that a node rejected");
    this.pushes = page.counter("weft_xds_pushes_total", "Responses sent, by resource type");
    this.refusals = page.counter("weft_xds_refused_streams_total", "Streams of nodes without a view");
    page.gauge("weft_xds_connected_nodes", "Open discovery streams, by view", () => {
      const counts = new Map<string, number>();
      for (const { view } of state.sessions())
        counts.set(view || "none", (counts.get(view || "none") ?? 0) + 1);
      return Array.from(counts, ([view, count]) => [{ view }, count] as const);
    });
    page.gauge(
      "weft_xds_rejecting_streams",
      "Open streams whose last answer was a rejection",
      () => state.sessions().filter(({ status }) => status.some((each) => each.state === "nacked")).length,
    );
    const perSource = (name: string, help: string, read: (source: SourceReport) => number | undefined) =>
      page.gauge(name, help, () =>
        state.sources().flatMap((source) => {
          const value = read(source);
          return value === undefined ? [] : [[{ source: source.name }, value] as const];
        }),
      );
    perSource("weft_source_age_seconds", "Time since a source was last read", ({ lastSuccess }) =>
      lastSuccess === 0 ? undefined : (systemClock.wall() - lastSuccess) / 1000,
    );
    perSource("weft_source_failing", "1 while a source cannot be read", ({ error }) =>
      error === "" ? 0 : 1,
    );
    perSource("weft_source_endpoints", "Endpoints that proxies get, by source", ({ endpoints }) => endpoints);
    perSource(
      "weft_held_endpoints",
      "Endpoints kept although their source no longer reports them",
      ({ holds }) => holds.reduce((sum, hold) => sum + hold.kept - hold.reported, 0),
    );
    page.gauge(
      "weft_history_failing",
      "1 while the history of the configuration cannot be followed, so that nothing can be changed",
      () => (state.historyTrouble() === "" ? 0 : 1),
    );
    if (traffic !== undefined) addTrafficMetrics(page, traffic);
  }

  render(): string {
    return this.#page.render();
  }
}
