import type { NetConnectOpts } from "node:net";
import { isIP } from "node:net";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import type { NetContext } from "../../net/net-context.ts";
import type { ProxiedAddresses, ProxyTlv } from "../../net/proxy-protocol/proxy-header.ts";
import { proxyHeaderV1, proxyHeaderV2 } from "../../net/proxy-protocol/write-proxy-header.ts";
import { only } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type {
  CertificateReport,
  ClientConnector,
  ClientPeer,
  ClientTransport,
  ClientTransportContext,
  ConnectionInfo,
  TransportSocketDef,
} from "../../proxy/api.ts";
import { passesThrough } from "../proxy-tlvs.ts";
import { upstreamTls } from "./upstream-tls.ts";

type Config = Messages["envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"];

const TYPE = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
const RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
const V2 = 1;

/** Begins connections to hosts with a PROXY header that tells of the client. */
export const upstreamProxyProtocol: TransportSocketDef<typeof TYPE> = {
  name: "envoy.transport_sockets.upstream_proxy_protocol",
  config: TYPE,
  ledger: {
    [TYPE]: ["config", "transport_socket", only("tlv_as_pool_key", "false")],
    "envoy.config.core.v3.ProxyProtocolConfig": "all",
    "envoy.config.core.v3.ProxyProtocolPassThroughTLVs": "all",
    "envoy.config.core.v3.TlvEntry": ["type", "value"],
  },
  createClient: (config, context) => new UpstreamProxyProtocol(config, context),
};

class UpstreamProxyProtocol implements ClientTransport {
  readonly perClient = true;
  readonly #version2: boolean;
  readonly #passes: (type: number) => boolean;
  readonly #added: readonly ProxyTlv[];
  /** How connections are secured behind the header; undefined = plaintext. */
  readonly #inner: ClientTransport | undefined;

  constructor({ config, transportSocket }: Config, context: ClientTransportContext) {
    this.#version2 = (config?.version as number | undefined) === V2;
    this.#passes = passesThrough(config?.passThroughTlvs);
    this.#added = (config?.addedTlvs ?? []).map(({ type, value }) => ({ type, value: Buffer.from(value) }));
    this.#inner = innerTransport(transportSocket, context);
  }

  connector(peer: ClientPeer): ClientConnector {
    const header = this.#header(peer.client);
    const inner = this.#inner?.connector(peer);
    return {
      connect(target: NetConnectOpts, net: NetContext, handler: ConnectionHandler): Connection {
        return inner === undefined
          ? Connection.connect(target, net, handler, header)
          : inner.connect(target, net, handler, header);
      },
    };
  }

  certificates(): CertificateReport {
    return this.#inner?.certificates() ?? { ca_cert: [], cert_chain: [] };
  }

  close(): void {
    this.#inner?.close();
  }

  #header(client: ConnectionInfo | undefined): Buffer {
    const addresses = client && addressesOf(client);
    if (!this.#version2) return proxyHeaderV1(addresses);
    const passed = (client?.proxyTlvs ?? []).filter(({ type }) => this.#passes(type));
    return proxyHeaderV2(addresses, [...this.#added, ...passed]);
  }
}

function innerTransport(
  config: Config["transportSocket"],
  context: ClientTransportContext,
): ClientTransport | undefined {
  if (config?.configType.case !== "typedConfig") {
    if (config === undefined || config.name === "envoy.transport_sockets.raw_buffer") return undefined;
    throw new Error(`transport_socket '${config.name}': typed_config must be set`);
  }
  const any = config.configType.value;
  const type = configTypeName(any);
  if (type === RAW_BUFFER) return undefined;
  if (type !== upstreamTls.config)
    throw new Error(`Didn't find a registered implementation for '${config.name}' with type URL: '${type}'`);
  return upstreamTls.createClient!(unpackAs(any, upstreamTls.config), context);
}

/** Undefined when the client has no IP address. */
function addressesOf(client: ConnectionInfo): ProxiedAddresses | undefined {
  const { remoteIp, localIp, localPort, remoteAddress } = client;
  if (isIP(remoteIp) === 0 || isIP(remoteIp) !== isIP(localIp)) return undefined;
  const port = Number(remoteAddress.slice(remoteAddress.lastIndexOf(":") + 1));
  return { source: { ip: remoteIp, port }, destination: { ip: localIp, port: localPort } };
}
