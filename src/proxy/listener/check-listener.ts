import type { Messages } from "../../proto/messages.d.ts";
import type { Extensions, FactoryContext } from "../api.ts";
import { FilterChains } from "./filter-chains.ts";
import { listenerContext } from "./listener-manager.ts";

/**
 * Refuses a listener that workers could not use, with Envoy's text: unknown filters, bad formats, contradicting filter
 * chains. Nothing is bound. `context.stats` should be a store of its own, since names are declared on the way.
 */
export function checkListener(
  listener: Messages["envoy.config.listener.v3.Listener"],
  extensions: Extensions,
  context: FactoryContext,
): void {
  if (listener.address === undefined)
    throw new Error(`error adding listener '${listener.name}': address is necessary`);
  const options = {
    factory: context,
    extensions,
    routes: { get: () => undefined },
    drainDecision: () => false,
  };
  void new FilterChains(listener, listenerContext(listener, [], options));
}
