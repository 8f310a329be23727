import { TextMetrics } from "../base/text-metrics.ts";
import type { Counter } from "../base/text-metrics.ts";
import type { RegistryStore } from "./store.ts";

/** What the registry counts. */
export interface RegistryMetrics {
  readonly requests: Counter;
  readonly expired: Counter;
  readonly pauses: Counter;
  readonly denied: Counter;
  readonly edsPolls: Counter;
  readonly edsRejections: Counter;
  render(): Promise<string>;
}

export function registryMetrics(store: RegistryStore): RegistryMetrics {
  const text = new TextMetrics();
  const instances = new Map<string, number>();
  text.gauge("weft_registry_instances", "Instances by state", () =>
    ["up", "draining", "expired", "deregistered"].map(
      (state) => [{ state }, instances.get(state) ?? 0] as const,
    ),
  );
  text.gauge("weft_registry_services", "Known services", () => services);
  text.gauge("weft_registry_index", "Index of the last change", () => store.revision);
  text.gauge("weft_registry_watch_clients", "Clients that wait for a change", () => store.watchers);
  let services = 0;
  return {
    requests: text.counter("weft_registry_requests_total", "Requests by operation and status", []),
    expired: text.counter("weft_registry_leases_expired_total", "Leases that ran out"),
    pauses: text.counter(
      "weft_registry_pauses_total",
      "Times the registry was asleep and prolonged all leases",
    ),
    denied: text.counter("weft_registry_denied_total", "Requests without a valid token"),
    edsPolls: text.counter("weft_registry_eds_polls_total", "REST EDS polls", [
      { result: "changed" },
      { result: "unchanged" },
    ]),
    edsRejections: text.counter(
      "weft_registry_eds_rejections_total",
      "REST EDS replies that a proxy rejected",
    ),
    async render() {
      instances.clear();
      for (const { state } of await store.all()) instances.set(state, (instances.get(state) ?? 0) + 1);
      services = (await store.services()).length;
      return text.render();
    },
  };
}
