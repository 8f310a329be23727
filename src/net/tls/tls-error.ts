// Envoy's texts for TLS failures, which are those of BoringSSL: "TLS_error:|<code>:SSL_routines:OPENSSL_internal:
// <REASON>:TLS_error_end". The code is the library's number in the high byte and the reason below it.

const SSL_LIBRARY = 0x10000000;

/** Reasons that have another name or number there; alerts are 1000 plus the alert's number. */
const REASONS: Readonly<Record<string, readonly [name: string, number: number]>> = {
  ERR_SSL_HTTP_REQUEST: ["HTTP_REQUEST", 156],
  ERR_SSL_HTTPS_PROXY_REQUEST: ["HTTPS_PROXY_REQUEST", 155],
  ERR_SSL_NO_SHARED_CIPHER: ["NO_SHARED_CIPHER", 184],
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: ["PEER_DID_NOT_RETURN_A_CERTIFICATE", 192],
  ERR_SSL_UNSUPPORTED_PROTOCOL: ["UNSUPPORTED_PROTOCOL", 240],
  ERR_SSL_WRONG_VERSION_NUMBER: ["WRONG_VERSION_NUMBER", 247],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ["WRONG_VERSION_NUMBER", 247],
  ERR_SSL_NO_APPLICATION_PROTOCOL: ["NO_APPLICATION_PROTOCOL", 307],
};

const CERTIFICATE_VERIFY_FAILED = SSL_LIBRARY + 125;

/** Text of a failed check of the peer's certificate. */
export function verifyFailureText(reason: string): string {
  return underscored(
    `TLS_error:|${CERTIFICATE_VERIFY_FAILED}:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ${reason}:TLS_error_end`,
  );
}

/** Text of an error of a TLS socket; "" when it is no error of the protocol. */
export function tlsFailureText(error: Error & { readonly code?: string }): string {
  const code = error.code ?? "";
  if (!code.startsWith("ERR_SSL_")) return "";
  const alert = /SSL alert number (\d+)/.exec(error.message);
  const known = REASONS[code];
  const name = known?.[0] ?? code.slice("ERR_SSL_".length).replace(/[^A-Z0-9]+/g, "_");
  const number = alert === null ? known?.[1] : 1000 + Number(alert[1]);
  return underscored(
    `TLS_error:|${number === undefined ? 0 : SSL_LIBRARY + number}:SSL routines:OPENSSL_internal:${name}:TLS_error_end`,
  );
}

function underscored(text: string): string {
  return text.replaceAll(" ", "_");
}
