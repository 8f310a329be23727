import { upstreamProxyHeader } from "../../extensions/upstream-proxy-header.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { ConnectionInfo } from "../api.ts";

type UpgradeConfig = Messages["envoy.config.route.v3.RouteAction.UpgradeConfig"];

/** A route on which CONNECT ends: the proxy answers it and passes bytes between the client and a host. */
export interface ConnectTermination {
  /** Whether a request with this method becomes such a tunnel; others are forwarded as HTTP. */
  takes(method: string): boolean;
  /** Writes what the host gets before the client's bytes; undefined = nothing. */
  readonly preamble: ((client: ConnectionInfo | undefined) => Buffer) | undefined;
}

/** Refuses the setting where it could have no meaning. */
export function connectTermination(list: readonly UpgradeConfig[]): ConnectTermination | undefined {
  let found: ConnectTermination | undefined;
  for (const { upgradeType, connectConfig: config } of list) {
    if (config === undefined) continue;
    if (upgradeType.toLowerCase() !== "connect")
      throw new Error(`Non-CONNECT upgrade type ${upgradeType} has ConnectConfig`);
    const { allowPost, proxyProtocolConfig } = config;
    found = {
      takes: (method) => method === "CONNECT" || (allowPost && method === "POST"),
      preamble: proxyProtocolConfig && upstreamProxyHeader(proxyProtocolConfig),
    };
  }
  return found;
}
