import type { NetConnectOpts } from "node:net";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import type { NetContext } from "../../net/net-context.ts";
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
import { proxyProtocolConfigLedger, upstreamProxyHeader } from "../upstream-proxy-header.ts";
import { upstreamTls } from "./upstream-tls.ts";

type Config = Messages["envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"];

const TYPE = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
const RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/** Begins connections to hosts with a PROXY header that tells of the client. */
export const upstreamProxyProtocol: TransportSocketDef<typeof TYPE> = {
  name: "envoy.transport_sockets.upstream_proxy_protocol",
  config: TYPE,
  ledger: {
    [TYPE]: ["config", "transport_socket", only("tlv_as_pool_key", "false")],
    ...proxyProtocolConfigLedger,
  },
  createClient: (config, context) => new UpstreamProxyProtocol(config, context),
};

class UpstreamProxyProtocol implements ClientTransport {
  readonly perClient = true;
  readonly #header: (client: ConnectionInfo | undefined) => Buffer;
  /** How connections are secured behind the header; undefined = plaintext. */
  readonly #inner: ClientTransport | undefined;

  constructor({ config, transportSocket }: Config, context: ClientTransportContext) {
    this.#header = upstreamProxyHeader(config);
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
