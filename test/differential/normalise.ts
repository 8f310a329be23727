import { networkInterfaces } from "node:os";
import type { Case } from "./case.ts";

/** What differs between two runs by nature and is replaced by a word. */
export interface Variables {
  /** Known ports and what to call them. */
  ports: ReadonlyMap<number, string>;
}

const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const localAddresses = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter((address) => !address.internal)
  .map((address) => address.address);

/** Replaces ports, dates, ids, durations and addresses of this machine in recorded text. */
export function normalise(text: string, entry: Case, variables: Variables): string {
  let out = text
    .replaceAll(`${entry.id}--`, "")
    .replaceAll(entry.id, "<case>")
    .replaceAll(uuid, (_all, reason: string) => `<uuid-${reason}>`)
    .replaceAll(/^(date|Date): .*$/gm, "$1: <date>")
    .replaceAll(/^(x-envoy-upstream-service-time|X-Envoy-Upstream-Service-Time): \d+$/gm, "$1: <ms>")
    .replaceAll(/^(x-envoy-expected-rq-timeout-ms): (\d+)$/gm, (_all, name: string, ms: string) => {
      return `${name}: ${roundedTimeout(Number(ms))}`;
    })
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replaceAll(/port_value: (\d+)/g, (_all, port: string) => {
      return `port_value: ${variables.ports.get(Number(port)) ?? "<port>"}`;
    })
    .replaceAll(/127\.0\.0\.1:(\d+)/g, (_all, port: string) => {
      return `127.0.0.1:${variables.ports.get(Number(port)) ?? (port === "0" ? "0" : "<port>")}`;
    });
  for (const address of localAddresses) out = out.replaceAll(address, "<local-ip>");
  for (const { match, replace } of entry.normalise) out = out.replaceAll(new RegExp(match, "gm"), replace);
  return out;
}

/** The time left shrinks with each attempt by an unpredictable back-off, so coarse steps are enough. */
function roundedTimeout(ms: number): number {
  const step = ms > 2000 ? 1000 : 250;
  return Math.ceil(ms / step) * step;
}
