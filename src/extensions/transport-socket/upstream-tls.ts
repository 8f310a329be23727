import type { NetConnectOpts } from "node:net";
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { isIP } from "node:net";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import type { NetContext } from "../../net/net-context.ts";
import { CertificateFacts } from "../../net/tls/certificate-facts.ts";
import { checkPeer, type PeerPolicy, type RequiredName } from "../../net/tls/check-peer.ts";
import { chainVerdict, startClientHandshake } from "../../net/tls/client-handshake.ts";
import { TlsInfo } from "../../net/tls/tls-info.ts";
import { TlsSessions } from "../../net/tls/tls-sessions.ts";
import { verifyFailureText } from "../../net/tls/tls-error.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type {
  CertificateReport,
  ClientConnector,
  ClientPeer,
  ClientTransport,
  ClientTransportContext,
  TransportSocketDef,
} from "../../proxy/api.ts";
import { certificateReport } from "./certificate-report.ts";
import { firstOfEachKind } from "./certificates-by-name.ts";
import { LiveMaterial } from "./live-material.ts";
import { exactName, peerPolicy } from "./peer-policy.ts";
import { keyOptions, trustOptions } from "./tls-context-options.ts";
import { tlsLedger } from "./tls-ledger.ts";
import { tlsParameters } from "./tls-parameters.ts";
import type { TlsMaterial } from "./tls-secrets.ts";
import { NO_SECRET, TlsStats } from "./tls-stats.ts";

type Config = Messages["envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"];

const TYPE = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
/** Longest server name (RFC 6066 leaves that to DNS; BoringSSL has this limit). */
const LONGEST_NAME = 255;
/** Verdicts that are about the top of the chain that the peer sent. */
const ABOUT_THE_ROOT = new Set(["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT"]);
/** OpenSSL's names of groups, where Envoy's differ. */
const CURVE_NAMES: Readonly<Record<string, string>> = {
  prime256v1: "P-256",
  secp384r1: "P-384",
  secp521r1: "P-521",
};

/** TLS on connections to hosts of a cluster. */
export const upstreamTls: TransportSocketDef<typeof TYPE> = {
  name: "envoy.transport_sockets.tls",
  config: TYPE,
  ledger: tlsLedger,
  createClient: (config, context) => new UpstreamTls(config, context),
};

/** One version of the certificates. */
interface Version {
  readonly context: SecureContext;
  readonly policy: PeerPolicy;
  readonly local: CertificateFacts | undefined;
}

class UpstreamTls implements ClientTransport {
  readonly stats: TlsStats;
  readonly config: Config;
  /** Empty when nothing is configured. */
  readonly alpn: readonly string[];
  /** What the cluster can speak. */
  readonly protocols: readonly string[];
  readonly #context: ClientTransportContext;
  readonly #material: LiveMaterial;
  #version: Version | undefined;

  constructor(config: Config, context: ClientTransportContext) {
    if (config.sni.length > LONGEST_NAME)
      throw new Error(`SNI names longer than ${LONGEST_NAME} are not supported: ${config.sni}`);
    this.config = config;
    this.#context = context;
    const configured = config.commonTlsContext?.alpnProtocols ?? [];
    this.protocols = context.protocols;
    this.alpn = usable(configured, context);
    this.stats = new TlsStats(context.scope, "client_ssl_socket_factory");
    this.#material = new LiveMaterial(config.commonTlsContext, context, (material, first) => {
      this.#version = this.#build(material);
      this.stats.material(material, first, context.workerIndex === 0);
    });
  }

  /** Undefined as long as a secret is missing. */
  get version(): Version | undefined {
    return this.#version;
  }

  connector(peer: ClientPeer): ClientConnector {
    return new TlsConnector(this, peer);
  }

  certificates(): CertificateReport {
    return certificateReport(this.#material.current, this.#context.clock.wall());
  }

  close(): void {
    this.#material.close();
  }

  #build(material: TlsMaterial): Version {
    const pairs = firstOfEachKind(material.keyPairs);
    return {
      context: createSecureContext({
        ...tlsParameters(this.config.commonTlsContext?.tlsParams, "TLSv1.2"),
        ...trustOptions(material.validation),
        ...(pairs.length > 0 && keyOptions(pairs)),
      }),
      policy: peerPolicy(material.validation),
      local: pairs.length === 1 ? new CertificateFacts(pairs[0]!.leaf) : undefined,
    };
  }
}

/** Opens the connections of one pool and keeps the sessions of its host. */
class TlsConnector implements ClientConnector {
  readonly #transport: UpstreamTls;
  readonly #serverName: string;
  readonly #requiredName: RequiredName | undefined;
  readonly #sessions: TlsSessions;
  readonly #alpn: readonly string[];

  constructor(transport: UpstreamTls, peer: ClientPeer) {
    const { config } = transport;
    this.#transport = transport;
    const named = config.autoHostSni && peer.hostname !== "" ? peer.hostname : config.sni;
    this.#serverName = peer.serverName ?? named;
    const name = peer.validName ?? (config.autoSniSanValidation ? this.#serverName : "");
    const fromRequest = peer.validName !== undefined;
    this.#requiredName = name === "" ? undefined : { name, fromRequest, matches: exactName(name) };
    this.#sessions = new TlsSessions(config.maxSessionKeys ?? 1);
    const configured = (config.commonTlsContext?.alpnProtocols ?? []).length > 0;
    this.#alpn = configured ? transport.alpn : (peer.protocols ?? transport.protocols);
  }

  connect(
    target: NetConnectOpts,
    net: NetContext,
    handler: ConnectionHandler,
    preamble?: Buffer,
  ): Connection {
    const { version } = this.#transport;
    if (version === undefined) return this.#connectInVain(target, net, handler);
    const socket = startClientHandshake(target, {
      context: version.context,
      // A server name is never an address (RFC 6066, 3).
      serverName: isIP(this.#serverName) === 0 ? this.#serverName : "",
      alpn: this.#alpn,
      session: this.#sessions.take(version),
      preamble,
    });
    // A resumed session shows no certificate again: one of a peer that is refused must never be resumed.
    let accepted = false;
    let early: Buffer | undefined;
    const keep = (session: Buffer) =>
      this.#sessions.put(session, version, socket.getProtocol() === "TLSv1.3");
    socket.on("session", (session) => {
      if (accepted) keep(session);
      else early = session;
    });
    const settle = () => {
      const outcome = this.#settle(socket, version);
      accepted = typeof outcome !== "string";
      if (accepted && early !== undefined) keep(early);
      return outcome;
    };
    const connection = Connection.overTls(socket, settle, net, handler);
    let secure = false;
    socket.once("secureConnect", () => (secure = true));
    socket.once("error", (error: Error & { code?: string }) => {
      if (!secure && error.code?.startsWith("ERR_SSL_") === true) this.#transport.stats.connectionError.inc();
    });
    return connection;
  }

  /** As in Envoy, the connection is opened and then closed: without the secret there is nothing to say. */
  #connectInVain(target: NetConnectOpts, net: NetContext, handler: ConnectionHandler): Connection {
    this.#transport.stats.secretsNotReady("upstream");
    const connection: Connection = Connection.connect(target, net, {
      onConnect: () => connection.destroy(),
      onBytes() {},
      onEnd() {},
      onDrain() {},
      onClose: (error) => handler.onClose(error === "" ? NO_SECRET : error),
    });
    return connection;
  }

  #settle(socket: TLSSocket, { policy, local }: Version): TlsInfo | string {
    const { stats } = this.#transport;
    const certificate = socket.getPeerX509Certificate();
    const peer = certificate === undefined ? undefined : new CertificateFacts(certificate);
    if (peer !== undefined) {
      const verdict = chainVerdict(socket);
      const depth = policy.verifyChain && ABOUT_THE_ROOT.has(verdict) ? chainDepth(socket) : 0;
      const problem = checkPeer(peer, verdict, depth, policy, this.#requiredName);
      if (problem !== undefined) {
        stats.refused(problem);
        return verifyFailureText(problem.reason);
      }
    }
    const tls = new TlsInfo(socket, {
      serverName: this.#serverName,
      peer,
      local,
      peerValidated: policy.verifyChain,
    });
    stats.handshaken(tls, curveOf(socket));
    return tls;
  }
}

/** Number of certificates above the peer's own one. */
function chainDepth(socket: TLSSocket): number {
  let depth = 0;
  let certificate = socket.getPeerCertificate(true);
  while (certificate.issuerCertificate !== undefined && certificate.issuerCertificate !== certificate) {
    certificate = certificate.issuerCertificate;
    depth++;
  }
  return depth;
}

function curveOf(socket: TLSSocket): string {
  const key = socket.getEphemeralKeyInfo() as { readonly name?: string } | null;
  const name = key?.name ?? "";
  return CURVE_NAMES[name] ?? name;
}

function usable(configured: readonly string[], context: ClientTransportContext): string[] {
  const left = configured.filter((name) => !context.protocols.includes(name));
  if (left.length > 0 && context.workerIndex < 0)
    context
      .logger("config")
      .warn(
        `alpn_protocols: ${left.join(", ")} is not offered to hosts: only ${context.protocols.join(", ")} is spoken`,
      );
  return configured.filter((name) => context.protocols.includes(name));
}
