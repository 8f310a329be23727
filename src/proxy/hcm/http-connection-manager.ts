import { accessLogFilterLedger } from "../access-log/access-log-filter.ts";
import type { NetworkFilterDef, TerminalFilterFactory } from "../api.ts";
import { substitutionFormatLedger } from "../formatter/substitution-format.ts";
import { compileHcmConfig } from "./hcm-config.ts";
import { HcmConnection } from "./hcm-connection.ts";
import { hcmLedger } from "./ledger.ts";
import { StreamPool } from "./stream-pool.ts";

type Config = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/** ALPN names by codec_type. */
const PROTOCOLS = {
  auto: ["h2", "http/1.1", "http/1.0"],
  http1: ["http/1.1", "http/1.0"],
  http2: ["h2"],
} as const;

/** Speaks HTTP with clients and runs the HTTP filters. */
export const httpConnectionManager: NetworkFilterDef<Config, TerminalFilterFactory> = {
  name: "envoy.filters.network.http_connection_manager",
  config: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  ledger: { ...hcmLedger, ...accessLogFilterLedger, ...substitutionFormatLedger },
  create(message, context) {
    const config = compileHcmConfig(message, context);
    const pool = new StreamPool(config);
    const connections = new Set<HcmConnection>();
    const onGone = (connection: HcmConnection): void => void connections.delete(connection);
    return {
      protocols: PROTOCOLS[config.codecType],
      accept(downstream) {
        const connection = new HcmConnection(downstream, config, pool, onGone);
        connections.add(connection);
        return connection;
      },
      drain(closeIdle) {
        for (const connection of connections) connection.drain(closeIdle);
      },
      close() {
        for (const log of config.accessLogs) log.sink.flush();
        pool.close();
      },
    };
  },
};
