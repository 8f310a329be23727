import type { ConnectionHandler } from "../../net/connection.ts";
import type { NetworkFilterDef, TerminalFilterFactory } from "../../proxy/api.ts";
import { loadData } from "../transport-socket/data-source.ts";

/** envoy.filters.network.direct_response: says one thing and closes. */
export const directResponse: NetworkFilterDef<
  "envoy.extensions.filters.network.direct_response.v3.Config",
  TerminalFilterFactory
> = {
  name: "envoy.filters.network.direct_response",
  config: "envoy.extensions.filters.network.direct_response.v3.Config",
  ledger: {
    "envoy.extensions.filters.network.direct_response.v3.Config": "all",
    "envoy.config.core.v3.DataSource": ["filename", "inline_bytes", "inline_string", "environment_variable"],
  },
  create(config) {
    const answer = loadData(config.response)?.bytes;
    return {
      accept({ connection }) {
        if (answer !== undefined) connection.writeBytes(answer);
        connection.close();
        return NOBODY;
      },
      drain() {},
      close() {},
    };
  },
};

/** What the client says does not matter. */
const NOBODY: ConnectionHandler = {
  onConnect() {},
  onBytes() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
};
