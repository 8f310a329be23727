import type { HostSpec } from "../../link.ts";

/**
 * What a host answered: fit (`degraded`: it asks for less); unfit by its own word, `retriable` if that may pass; or not at
 * all.
 */
export type ProbeOutcome =
  | { readonly kind: "healthy"; readonly degraded: boolean }
  | { readonly kind: "unhealthy"; readonly retriable: boolean }
  | { readonly kind: "network" };

/** A way to ask hosts how they are. */
export interface Probe {
  /**
   * Asks a host once. `cluster` is the name under which the probe's clusters know it. `done` is called once, later or
   * before this returns, unless what is returned is called.
   */
  ask(host: HostSpec, cluster: string, done: (outcome: ProbeOutcome) => void): () => void;
}

export const HEALTHY: ProbeOutcome = { kind: "healthy", degraded: false };
export const UNHEALTHY: ProbeOutcome = { kind: "unhealthy", retriable: false };
export const NETWORK: ProbeOutcome = { kind: "network" };
