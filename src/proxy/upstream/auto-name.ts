import { isIP } from "node:net";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type ProtocolOptions = Messages["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];

/** What the name that a request asks for is used for. */
export interface AutoName {
  /** Server name of the TLS handshake. */
  readonly sni: boolean;
  /** The host's certificate must hold it. */
  readonly san: boolean;
  /** Header that holds it; "" = the authority. */
  readonly header: string;
}

/** auto_sni and auto_san_validation of a cluster; undefined when neither is on. */
export function autoName(
  cluster: ClusterMessage,
  options: ProtocolOptions | undefined,
): AutoName | undefined {
  const config =
    options === undefined ? cluster.upstreamHttpProtocolOptions : options.upstreamHttpProtocolOptions;
  if (config === undefined || !(config.autoSni || config.autoSanValidation)) return undefined;
  const header = config.overrideAutoSniHeader.toLowerCase();
  return { sni: config.autoSni, san: config.autoSanValidation, header };
}

/** Name that a request asks for, without its port; "" for addresses and requests without one. */
export function requestServerName(headers: HeaderMap, { header }: AutoName): string {
  const own = header === "" || header === ":authority" ? undefined : headers.get(header);
  const authority = own === undefined || own === "" ? headers.authority : own;
  if (authority.startsWith("[")) return "";
  const colon = authority.lastIndexOf(":");
  const name = colon < 0 ? authority : authority.slice(0, colon);
  return isIP(name) === 0 ? name : "";
}
