import { isIP } from "node:net";
import type { ProxiedAddresses } from "../net/proxy-protocol/proxy-header.ts";
import { proxyHeaderV1, proxyHeaderV2 } from "../net/proxy-protocol/write-proxy-header.ts";
import type { Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";
import type { ConnectionInfo } from "../proxy/api.ts";
import { passesThrough } from "./proxy-tlvs.ts";

type Config = Messages["envoy.config.core.v3.ProxyProtocolConfig"];

const V2 = 1;

export const proxyProtocolConfigLedger: Ledger = {
  "envoy.config.core.v3.ProxyProtocolConfig": "all",
  "envoy.config.core.v3.ProxyProtocolPassThroughTLVs": "all",
  "envoy.config.core.v3.TlvEntry": ["type", "value"],
};

/** Writes the PROXY header with which a host learns of the client; undefined = a connection of the proxy's own. */
export function upstreamProxyHeader(
  config: Config | undefined,
): (client: ConnectionInfo | undefined) => Buffer {
  if ((config?.version as number | undefined) !== V2)
    return (client) => proxyHeaderV1(client && addressesOf(client));
  const passes = passesThrough(config?.passThroughTlvs);
  const added = (config?.addedTlvs ?? []).map(({ type, value }) => ({ type, value: Buffer.from(value) }));
  return (client) => {
    const passed = (client?.proxyTlvs ?? []).filter(({ type }) => passes(type));
    return proxyHeaderV2(client && addressesOf(client), [...added, ...passed]);
  };
}

/** Undefined when the client has no IP address. */
function addressesOf(client: ConnectionInfo): ProxiedAddresses | undefined {
  const { remoteIp, localIp, localPort, remoteAddress } = client;
  if (isIP(remoteIp) === 0 || isIP(remoteIp) !== isIP(localIp)) return undefined;
  const port = Number(remoteAddress.slice(remoteAddress.lastIndexOf(":") + 1));
  return { source: { ip: remoteIp, port }, destination: { ip: localIp, port: localPort } };
}
