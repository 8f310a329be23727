import type { Socket } from "node:net";
import {
  createSecureContext,
  type SecureContext,
  type SecureVersion,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import { constants } from "node:crypto";
import { CertificateFacts } from "../../net/tls/certificate-facts.ts";
import { checkPeer, type PeerPolicy } from "../../net/tls/check-peer.ts";
import { ServerHandshakes, type HandshakeEnd, type TlsFailure } from "../../net/tls/server-handshakes.ts";
import { TlsInfo } from "../../net/tls/tls-info.ts";
import { tlsFailureText, verifyFailureText } from "../../net/tls/tls-error.ts";
import { durationMs } from "../../proto/duration.ts";
import { encode } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type {
  CertificateReport,
  ServerTransport,
  ServerTransportCallbacks,
  ServerTransportContext,
  TransportSocketDef,
} from "../../proxy/api.ts";
import { CertificatesByName, firstOfEachKind } from "./certificates-by-name.ts";
import { certificateReport } from "./certificate-report.ts";
import { LiveMaterial } from "./live-material.ts";
import { peerPolicy } from "./peer-policy.ts";
import {
  configuredTicketSecret,
  keyOptions,
  materialHash,
  ticketKeys,
  trustOptions,
} from "./tls-context-options.ts";
import { tlsLedger } from "./tls-ledger.ts";
import { tlsParameters } from "./tls-parameters.ts";
import { checkSecret, type KeyPair, type TlsMaterial } from "./tls-secrets.ts";
import { NO_SECRET, TlsStats } from "./tls-stats.ts";

type Config = Messages["envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"];

const TYPE = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const ALERT_PEER_WITHOUT_CERTIFICATE = "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";

/** TLS on accepted connections. */
export const downstreamTls: TransportSocketDef<typeof TYPE> = {
  name: "envoy.transport_sockets.tls",
  config: TYPE,
  ledger: tlsLedger,
  createServer: (config, context) => new DownstreamTls(config, context),
  checkSecret,
};

/** With configured keys, tickets are for all proxies that have them. */
const NO_SALT = new Uint8Array(0);

/** One version of the certificates, ready for handshakes. */
interface Version {
  readonly handshakes: ServerHandshakes;
  readonly policy: PeerPolicy;
  /** The certificate that every client gets, if there is only one. */
  readonly local: CertificateFacts | undefined;
}

class DownstreamTls implements ServerTransport {
  readonly stats: TlsStats;
  readonly asksForCertificate: boolean;
  readonly requiresCertificate: boolean;
  readonly #config: Config;
  readonly #context: ServerTransportContext;
  readonly #material: LiveMaterial;
  /** Undefined as long as a secret is missing. */
  #version: Version | undefined;

  constructor(config: Config, context: ServerTransportContext) {
    this.#config = config;
    this.#context = context;
    this.stats = new TlsStats(context.scope, "server_ssl_socket_factory");
    this.requiresCertificate = config.requireClientCertificate ?? false;
    const trust = config.commonTlsContext?.validationContextType.case !== undefined;
    this.asksForCertificate = this.requiresCertificate || trust;
    this.#material = new LiveMaterial(config.commonTlsContext, context, (material, first) => {
      this.#version = this.#build(material);
      this.stats.material(material, first, context.workerIndex === 0);
    });
  }

  accept(socket: Socket, callbacks: ServerTransportCallbacks): void {
    if (this.#version === undefined) {
      this.stats.secretsNotReady("downstream");
      socket.destroy();
      return callbacks.onFailure(NO_SECRET, false);
    }
    const { handshakes, policy, local } = this.#version;
    handshakes.start(socket, new Handshake(this, policy, local, callbacks));
  }

  certificates(): CertificateReport {
    return certificateReport(this.#material.current, this.#context.clock.wall());
  }

  close(): void {
    this.#material.close();
  }

  #build(material: TlsMaterial): Version {
    const { keyPairs, validation } = material;
    if (keyPairs.length === 0)
      throw new Error(
        "No TLS certificates found for server context: Server TlsCertificates must have a certificate specified",
      );
    const policy = peerPolicy(validation);
    const common = this.#commonOptions(material, policy);
    const contexts = new Map<string, SecureContext>();
    const contextOf = (pairs: readonly KeyPair[]): SecureContext => {
      const key = pairs.map((pair) => keyPairs.indexOf(pair)).join();
      let context = contexts.get(key);
      if (context === undefined)
        contexts.set(key, (context = createSecureContext({ ...common, ...keyOptions(pairs) })));
      return context;
    };
    const [first, ...others] = keyPairs;
    const defaults = { ...common, ...keyOptions(firstOfEachKind(keyPairs)) };
    if (others.length === 0)
      return {
        handshakes: this.#handshakes(defaults, undefined),
        policy,
        local: new CertificateFacts(first!.leaf),
      };
    const byName = new CertificatesByName(keyPairs);
    // All contexts exist before the first connection.
    for (const pairs of byName.choices()) contextOf(pairs);
    const fallback = contextOf(
      this.#config.fullScanCertsOnSniMismatch ? firstOfEachKind(keyPairs) : [first!],
    );
    const choose = (name: string): SecureContext => {
      const pairs = byName.find(name);
      return pairs === undefined ? fallback : contextOf(pairs);
    };
    return {
      handshakes: this.#handshakes(defaults, choose),
      policy,
      local: undefined,
    };
  }

  #handshakes(
    options: TlsOptions,
    contextFor: ((serverName: string) => SecureContext) | undefined,
  ): ServerHandshakes {
    const { stats } = this;
    return new ServerHandshakes(options, contextFor, this.#context.connectTimeout, (error, verdict) => {
      if (error.code === ALERT_PEER_WITHOUT_CERTIFICATE) stats.failVerifyNoCert.inc();
      else if (verdict !== "") stats.refused({ stat: "fail_verify_error", reason: verdict });
      else if (error.code?.startsWith("ERR_SSL_") === true) stats.connectionError.inc();
    });
  }

  #commonOptions(material: TlsMaterial, policy: PeerPolicy): TlsOptions {
    const config = this.#config;
    const settings = encode(TYPE, config);
    const hash = materialHash(material, settings);
    const secret = this.#context.processSecret;
    const resumption = config.sessionTicketKeysType;
    const own =
      resumption.case === "sessionTicketKeys" ? configuredTicketSecret(resumption.value) : undefined;
    const stateless = !(resumption.case === "disableStatelessSessionResumption" && resumption.value);
    const alpn = offered(config.commonTlsContext?.alpnProtocols ?? [], this.#context);
    const parameters = tlsParameters(config.commonTlsContext?.tlsParams, "TLSv1.3");
    return {
      ...parameters,
      ...trustOptions(material.validation),
      honorCipherOrder: ordersCiphers(config, parameters.maxVersion),
      requestCert: this.asksForCertificate,
      // OpenSSL then tells a client without a certificate by an alert. Chains are judged after the handshake.
      rejectUnauthorized: this.requiresCertificate && policy.verifyChain,
      sessionIdContext: hash.toString("hex").slice(0, 32),
      ...(config.sessionTimeout !== undefined && {
        sessionTimeout: durationMs(config.sessionTimeout) / 1000,
      }),
      ...(stateless && own !== undefined && { ticketKeys: ticketKeys(own, NO_SALT) }),
      ...(stateless && own === undefined && secret !== undefined && { ticketKeys: ticketKeys(secret, hash) }),
      ...(!stateless && { secureOptions: constants.SSL_OP_NO_TICKET }),
      ...(alpn.length > 0 && { ALPNProtocols: alpn }),
    };
  }
}

/** One handshake, from the accepted socket to its end. */
class Handshake implements HandshakeEnd {
  readonly #owner: DownstreamTls;
  readonly #policy: PeerPolicy;
  readonly #local: CertificateFacts | undefined;
  readonly #callbacks: ServerTransportCallbacks;

  constructor(
    owner: DownstreamTls,
    policy: PeerPolicy,
    local: CertificateFacts | undefined,
    callbacks: ServerTransportCallbacks,
  ) {
    this.#owner = owner;
    this.#policy = policy;
    this.#local = local;
    this.#callbacks = callbacks;
  }

  onSecure(socket: TLSSocket, verdict: string): void {
    const { stats, asksForCertificate, requiresCertificate } = this.#owner;
    const shown = asksForCertificate ? socket.getPeerX509Certificate() : undefined;
    const peer = shown === undefined ? undefined : new CertificateFacts(shown);
    if (peer === undefined && requiresCertificate) {
      stats.failVerifyNoCert.inc();
      return this.#refuse(socket, "no certificate");
    }
    const problem = peer && checkPeer(peer, verdict, 0, this.#policy);
    if (problem !== undefined) {
      stats.refused(problem);
      return this.#refuse(socket, verifyFailureText(problem.reason));
    }
    const certificate = this.#local === undefined ? socket.getX509Certificate() : undefined;
    const tls = new TlsInfo(socket, {
      serverName: typeof socket.servername === "string" ? socket.servername.toLowerCase() : "",
      peer,
      local: this.#local ?? (certificate === undefined ? undefined : new CertificateFacts(certificate)),
      peerValidated: peer !== undefined && this.#policy.verifyChain,
    });
    stats.handshaken(tls, "");
    this.#callbacks.onSecure(socket, tls);
  }

  onFailed(error: TlsFailure, timedOut: boolean): void {
    this.#callbacks.onFailure(tlsFailureText(error), timedOut);
  }

  #refuse(socket: TLSSocket, reason: string): void {
    socket.on("error", () => {});
    socket.destroy();
    this.#callbacks.onFailure(reason, false);
  }
}

/**
 * Whether our order of cipher suites decides. In TLS 1.3 it is the client's in Envoy, in 1.2 the server's; OpenSSL has
 * one rule for both, so that of 1.3 applies unless an order was configured or there is no 1.3.
 */
function ordersCiphers(config: Config, maxVersion: SecureVersion | undefined): boolean {
  if (config.preferClientCiphers) return false;
  return maxVersion !== "TLSv1.3" || (config.commonTlsContext?.tlsParams?.cipherSuites.length ?? 0) > 0;
}

/** Configured protocols that there are codecs for. The others are reported where configuration is tried out. */
function offered(configured: readonly string[], context: ServerTransportContext): string[] {
  const { protocols } = context;
  if (protocols === undefined) return [...configured];
  const left = configured.filter((name) => !protocols.includes(name));
  if (left.length > 0 && context.workerIndex < 0)
    context
      .logger("config")
      .warn(
        `alpn_protocols: ${left.join(", ")} is not offered to clients: only ${protocols.join(", ")} is spoken`,
      );
  return configured.filter((name) => protocols.includes(name));
}
