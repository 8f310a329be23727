import { isUtf8 } from "node:buffer";
import type { TlsInfo } from "../../../net/tls/tls-info.ts";
import type { CertificateFacts } from "../../../net/tls/certificate-facts.ts";
import { msTimestamp } from "../../../proto/timestamp.ts";
import { create, encode, type MessageInit } from "../../../proto/registry.ts";
import type { ConnectionInfo, FilterStream, HeaderMap } from "../../../proxy/api.ts";
import type { TextMatch } from "../../../proxy/matcher/string-matcher.ts";
import type { Check } from "./auth-service.ts";

type Attributes = MessageInit<"envoy.service.auth.v3.AttributeContext">;
type HttpRequest = MessageInit<"envoy.service.auth.v3.AttributeContext.HttpRequest">;
type Peer = MessageInit<"envoy.service.auth.v3.AttributeContext.Peer">;
type Address = MessageInit<"envoy.config.core.v3.Address">;
type Metadata = MessageInit<"envoy.config.core.v3.Metadata">;

const PSEUDO = [":authority", ":path", ":method", ":scheme"] as const;

/** What of a request the service is told. */
export interface CheckRequestSettings {
  /** Which headers; all if undefined. */
  readonly sends: TextMatch | undefined;
  readonly encodeRawHeaders: boolean;
  readonly includePeerCertificate: boolean;
  readonly includeTlsSession: boolean;
  readonly metadataNamespaces: readonly string[];
  readonly routeMetadataNamespaces: readonly string[];
  readonly typedRouteMetadataNamespaces: readonly string[];
  random(): number;
}

/** Makes envoy.service.auth.v3.CheckRequest messages. */
export class CheckRequests {
  readonly #settings: CheckRequestSettings;

  constructor(settings: CheckRequestSettings) {
    this.#settings = settings;
  }

  encode(check: Check): Uint8Array {
    const { includePeerCertificate, includeTlsSession } = this.#settings;
    const { info } = check.stream;
    const { connection } = info;
    const tls = connection.tlsInfo;
    const service = check.headers.get("x-envoy-downstream-service-cluster") ?? "";
    const attributes: Attributes = {
      source: {
        ...peer(sourceAddress(connection), tls, tls?.peer),
        service: unicode(service),
        certificate: includePeerCertificate ? (tls?.peer?.urlEncodedPem ?? "") : "",
      },
      destination: peer(address(connection.localIp, connection.localPort), tls, tls?.local),
      request: { time: msTimestamp(info.startWall), http: this.#http(check) },
      contextExtensions: { ...check.contextExtensions },
    };
    const metadata = this.#metadata(check.stream);
    if (metadata !== undefined) attributes.metadataContext = metadata;
    const ofRoute = this.#routeMetadata(check.stream);
    if (ofRoute !== undefined) attributes.routeMetadataContext = ofRoute;
    if (includeTlsSession && tls !== undefined) attributes.tlsSession = { sni: tls.serverName };
    return encode(
      "envoy.service.auth.v3.CheckRequest",
      create("envoy.service.auth.v3.CheckRequest", { attributes }),
    );
  }

  #http({ stream, headers, body, partial, packAsBytes }: Check): HttpRequest {
    const { random, encodeRawHeaders } = this.#settings;
    const http: HttpRequest = {
      id: String(Math.floor(random() * Number.MAX_SAFE_INTEGER)),
      method: headers.method,
      path: unicode(headers.path),
      host: unicode(headers.authority),
      scheme: headers.scheme,
      protocol: stream.info.protocol,
    };
    const lines = this.#lines(headers);
    if (body !== undefined && body.length > 0) {
      http.size = BigInt(stream.info.bytesReceived);
      if (packAsBytes) http.rawBody = body;
      else http.body = unicode(body.toString("latin1"));
      lines.push(["x-envoy-auth-partial-body", partial ? "true" : "false"]);
    }
    if (encodeRawHeaders) {
      const raw = lines.map(([key, value]) => ({ key, rawValue: Buffer.from(value, "latin1") }));
      http.headerMap = { headers: raw };
    } else http.headers = joined(lines);
    return http;
  }

  #lines(headers: HeaderMap): [name: string, value: string][] {
    const { sends } = this.#settings;
    const lines: [string, string][] = [];
    for (const name of PSEUDO) {
      const value = headers.get(name);
      if (value !== undefined && (sends === undefined || sends(name))) lines.push([name, value]);
    }
    headers.forEach((name, value) => {
      // Envoy's codec keeps the framing of HTTP/1.1 to itself.
      if (name !== "transfer-encoding" && (sends === undefined || sends(name))) lines.push([name, value]);
    });
    return lines;
  }

  #metadata({ info }: FilterStream): Metadata | undefined {
    return filterMetadata(this.#settings.metadataNamespaces, (name) => info.dynamicMetadata?.get(name));
  }

  #routeMetadata({ route }: FilterStream): Metadata | undefined {
    const { routeMetadataNamespaces, typedRouteMetadataNamespaces } = this.#settings;
    const metadata = route?.metadata;
    if (metadata === undefined) return undefined;
    const found = filterMetadata(routeMetadataNamespaces, (name) => metadata.filterMetadata[name]);
    const typed = typedRouteMetadataNamespaces.flatMap((name) => {
      const any = metadata.typedFilterMetadata[name];
      return any === undefined ? [] : [[name, any] as const];
    });
    return typed.length === 0 ? found : { ...found, typedFilterMetadata: Object.fromEntries(typed) };
  }
}

function filterMetadata(
  names: readonly string[],
  find: (name: string) => Readonly<Record<string, unknown>> | undefined,
): Metadata | undefined {
  const found = names.flatMap((name) => {
    const value = find(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return found.length === 0 ? undefined : { filterMetadata: Object.fromEntries(found) as never };
}

function peer(where: Address, tls: TlsInfo | undefined, certificate: CertificateFacts | undefined): Peer {
  if (tls === undefined || certificate === undefined) return { address: where };
  return { address: where, principal: principalOf(certificate) };
}

/** A name of the certificate, else its subject. */
function principalOf(certificate: CertificateFacts): string {
  return certificate.namesOf("uri")[0] ?? certificate.namesOf("dns")[0] ?? certificate.subject;
}

function sourceAddress({ directRemoteAddress, directRemoteIp }: ConnectionInfo): Address {
  const port = directRemoteAddress.slice(directRemoteAddress.lastIndexOf(":") + 1);
  return address(directRemoteIp, Number(port));
}

/** Without an IP it is a unix socket. */
function address(ip: string, port: number): Address {
  if (ip === "") return { address: { case: "pipe", value: { path: "" } } };
  return {
    address: {
      case: "socketAddress",
      value: { address: ip, portSpecifier: { case: "portValue", value: port } },
    },
  };
}

/** Repeats with a comma between. */
function joined(lines: readonly (readonly [string, string])[]): Record<string, string> {
  const map: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of lines) {
    const text = unicode(value);
    map[name] = map[name] === undefined ? text : `${map[name]},${text}`;
  }
  return map;
}

/** Bytes as protobuf's text: those that are not UTF-8 become "!". */
function unicode(text: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/[^\x00-\x7f]/.test(text)) return text;
  const bytes = Buffer.from(text, "latin1");
  const decoded = bytes.toString("utf8");
  return isUtf8(bytes) ? decoded : decoded.replaceAll("\ufffd", "!");
}
