// Updates of a listener that change its filter chains only: as in Envoy, connections of chains that stay go on.
import { encode } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";

type Listener = Messages["envoy.config.listener.v3.Listener"];
type ChainConfig = Messages["envoy.config.listener.v3.FilterChain"];

/** All but the filter chains of a listener; equal for versions that differ in nothing else. */
export function besidesFilterChains(listener: Listener): Uint8Array {
  const rest = { ...listener, filterChains: [], defaultFilterChain: undefined };
  return encode("envoy.config.listener.v3.Listener", rest as unknown as Listener);
}

/** Equal for chains that need not be told apart. */
export function filterChainKey(chain: ChainConfig): string {
  return Buffer.from(encode("envoy.config.listener.v3.FilterChain", chain)).toString("latin1");
}

/** How many chains of `before` are changed or absent in `after`; undefined if more than chains differs. */
export function filterChainsGone(before: Listener, after: Listener): number | undefined {
  if (Buffer.compare(besidesFilterChains(before), besidesFilterChains(after)) !== 0) return undefined;
  const left = new Set(allChains(after).map(filterChainKey));
  return allChains(before).filter((chain) => !left.has(filterChainKey(chain))).length;
}

function allChains({ filterChains, defaultFilterChain }: Listener): ChainConfig[] {
  return defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
}
