import type { CertificateFacts } from "../../net/tls/certificate-facts.ts";
import type { TlsInfo } from "../../net/tls/tls-info.ts";
import { compileStrftime } from "./strftime.ts";
import type { FormatValue, OperatorDef, StreamInfo } from "../../proxy/api.ts";
import { orAbsent, plain } from "./define.ts";

type Side = (info: StreamInfo) => TlsInfo | undefined;

const downstream: Side = (info) => info.connection.tlsInfo;
const upstream: Side = (info) => info.upstreamTls;

/** Operators of the TLS sessions on both sides and of the certificates shown in them. */
export const tlsOperators: readonly OperatorDef[] = [
  ...sessionOperators("DOWNSTREAM", downstream),
  ...certificateOperators("DOWNSTREAM_PEER", downstream, (tls) => tls.peer),
  ...certificateOperators("DOWNSTREAM_LOCAL", downstream, (tls) => tls.local),
  validity("DOWNSTREAM_PEER_CERT_V_START", downstream, (facts) => facts.validFrom),
  validity("DOWNSTREAM_PEER_CERT_V_END", downstream, (facts) => facts.validTo),
  ...sessionOperators("UPSTREAM", upstream),
  ...certificateOperators("UPSTREAM_PEER", upstream, (tls) => tls.peer).filter(
    ({ name }) => !name.includes("FINGERPRINT") && !name.includes("SERIAL"),
  ),
  validity("UPSTREAM_PEER_CERT_V_START", upstream, (facts) => facts.validFrom),
  validity("UPSTREAM_PEER_CERT_V_END", upstream, (facts) => facts.validTo),
];

function sessionOperators(prefix: string, side: Side): OperatorDef[] {
  return [
    plain(`${prefix}_TLS_VERSION`, (info) => side(info)?.version),
    plain(`${prefix}_TLS_CIPHER`, (info) => side(info)?.cipher),
    plain(`${prefix}_TLS_SESSION_ID`, (info) => orAbsent(side(info)?.sessionId ?? "")),
  ];
}

function certificateOperators(
  prefix: string,
  side: Side,
  pick: (tls: TlsInfo) => CertificateFacts | undefined,
): OperatorDef[] {
  const of = (name: string, read: (facts: CertificateFacts) => FormatValue): OperatorDef =>
    plain(`${prefix}_${name}`, (info) => {
      const tls = side(info);
      const facts = tls === undefined ? undefined : pick(tls);
      return facts === undefined ? undefined : read(facts);
    });
  const names = (type: "dns" | "uri" | "ip" | "email") => (facts: CertificateFacts) =>
    orAbsent(facts.namesOf(type).join(","));
  const both = [
    of("SUBJECT", (facts) => orAbsent(facts.subject)),
    of("URI_SAN", names("uri")),
    of("DNS_SAN", names("dns")),
    of("IP_SAN", names("ip")),
    of("EMAIL_SAN", names("email")),
  ];
  if (prefix.endsWith("LOCAL")) return both;
  return [
    ...both,
    of("ISSUER", (facts) => orAbsent(facts.issuer)),
    of("SERIAL", (facts) => facts.serial),
    of("FINGERPRINT_256", (facts) => facts.fingerprint256),
    of("FINGERPRINT_1", (facts) => facts.fingerprint1),
    of("CERT", (facts) => facts.urlEncodedPem),
  ];
}

/** A date of the peer's certificate, with a format as of strftime, or ISO 8601 without one. */
function validity(name: string, side: Side, read: (facts: CertificateFacts) => Date): OperatorDef {
  return {
    name,
    create(argument) {
      const format = argument === undefined || argument === "" ? undefined : compileStrftime(argument);
      return (info) => {
        const peer = side(info)?.peer;
        if (peer === undefined) return undefined;
        const date = read(peer);
        return format === undefined ? date.toISOString() : format(date.getTime());
      };
    },
  };
}
