import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { TlsInfo } from "../../net/tls/tls-info.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { ConnectionInfo } from "../api.ts";

type Config = Messages["envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"];

const CLIENT_CERT = knownHeaderId("x-forwarded-client-cert");
/** Values of ForwardClientCertDetails. */
const SANITIZE = 0;
const FORWARD_ONLY = 1;
const APPEND_FORWARD = 2;
const ALWAYS_FORWARD_ONLY = 4;

/** What becomes of a request's X-Forwarded-Client-Cert. */
export type ClientCertHeader = (headers: HeaderMap, connection: ConnectionInfo) => void;

/** Compiles forward_client_cert_details and set_current_client_cert_details. */
export function compileClientCertHeader(config: Config): ClientCertHeader {
  const mode = config.forwardClientCertDetails as number;
  if (mode === ALWAYS_FORWARD_ONLY) return () => {};
  if (mode === SANITIZE) return (headers) => headers.removeId(CLIENT_CERT);
  const wanted = config.setCurrentClientCertDetails;
  const values = new WeakMap<TlsInfo, string>();
  return (headers, { tlsInfo }) => {
    if (tlsInfo?.peer === undefined) return headers.removeId(CLIENT_CERT);
    if (mode === FORWARD_ONLY) return;
    let value = values.get(tlsInfo);
    if (value === undefined) values.set(tlsInfo, (value = details(tlsInfo, wanted)));
    if (mode === APPEND_FORWARD) headers.appendId(CLIENT_CERT, value, ",");
    else headers.setId(CLIENT_CERT, value);
  };
}

function details({ peer, local }: TlsInfo, wanted: Config["setCurrentClientCertDetails"]): string {
  const parts = (local?.namesOf("uri") ?? []).map((uri) => `By=${uri}`);
  parts.push(`Hash=${peer!.fingerprint256}`);
  if (wanted?.cert) parts.push(`Cert="${peer!.urlEncodedPem}"`);
  if (wanted?.subject) parts.push(`Subject="${peer!.subject}"`);
  if (wanted?.uri) parts.push(...peer!.namesOf("uri").map((uri) => `URI=${uri}`));
  if (wanted?.dns) parts.push(...peer!.namesOf("dns").map((dns) => `DNS=${dns}`));
  return parts.join(";");
}
