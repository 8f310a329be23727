import { originalDestination, originalDestinationProblem } from "../../net/original-destination.ts";
import type { ListenerFilterDef } from "../../proxy/api.ts";

/** envoy.filters.listener.original_dst: finds where a connection went before the kernel redirected it here. */
export const originalDst: ListenerFilterDef<"envoy.extensions.filters.listener.original_dst.v3.OriginalDst"> =
  {
    name: "envoy.filters.listener.original_dst",
    config: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
    ledger: { "envoy.extensions.filters.listener.original_dst.v3.OriginalDst": "all" },
    create() {
      const problem = originalDestinationProblem();
      if (problem !== undefined)
        throw new Error(
          `envoy.filters.listener.original_dst cannot find original destinations here: ${problem}`,
        );
      return {
        onAccept(socket, facts) {
          const found = originalDestination(socket);
          if (found !== undefined) facts.local = found;
          return "next";
        },
      };
    },
  };
