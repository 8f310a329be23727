import type { OptionTable } from "../../catalog/source-options.ts";

/** Options that every source over HTTPS has. */
export const tlsOptions = {
  ca: { kind: "path", description: "file with the certificates to trust, PEM; default: those of Node" },
  cert: { kind: "path", description: "file with the client certificate, PEM" },
  key: { kind: "path", description: "file with the key of the client certificate, PEM" },
  insecure: { kind: "boolean", default: "false", description: "do not check the server's certificate" },
} as const satisfies OptionTable;
