// Texts of %UPSTREAM_TRANSPORT_FAILURE_REASON% for connections that could not be opened. Blanks become "_" so that
// they can stand in a log line.

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EAGAIN: "Resource temporarily unavailable",
  ECONNABORTED: "Software caused connection abort",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  EINVAL: "Invalid argument",
  EMFILE: "Too many open files",
  ENETUNREACH: "Network is unreachable",
  ENOENT: "No such file or directory",
  ENOTSOCK: "Socket operation on non-socket",
  EPERM: "Operation not permitted",
  EPIPE: "Broken pipe",
  ETIMEDOUT: "Connection timed out",
};

/** What connect() itself reports, before any packet comes back. */
const IMMEDIATE = new Set(["EACCES", "EADDRNOTAVAIL", "EINVAL", "EMFILE", "ENETUNREACH", "EPERM"]);

/**
 * The text for a system error code; texts of TLS failures are themselves. `address` is that of the host; unix sockets (`isPath`) fail at once, IP addresses
 * mostly when the peer answers.
 */
export function connectErrorDetail(code: string, address: string, isPath: boolean): string {
  if (code.startsWith("TLS_error:")) return code;
  const text = (TEXTS[code] ?? code).replaceAll(" ", "_");
  return isPath || IMMEDIATE.has(code)
    ? `immediate_connect_error:_${text}|remote_address:${address}`
    : `delayed_connect_error:_${text}`;
}
