import type { Command } from "commander";
import type { ApiAccessFiles } from "../../control/api-access.ts";
import { UsageError } from "../command.ts";

/** Flags that say who may use the API. */
export interface ApiFlags {
  apiTlsCert?: string;
  apiTlsKey?: string;
  apiTokenFile?: string;
  apiReadTokens: boolean;
}

/** Adds the flags to a command. */
export function addApiFlags(command: Command): void {
  command
    .option(
      "--api-tls-cert <file>",
      "certificate of the API port, PEM; read again when it changes, as is the next",
    )
    .option("--api-tls-key <file>", "its key")
    .option(
      "--api-token-file <file>",
      "changes by the API need one of these tokens; a line is NAME TOKEN, and changes are NAME's in the history",
    )
    .option("--api-read-tokens", "reads by the API need a token as well", false);
}

/** What the flags say. Throws a UsageError for flags that make no sense together. */
export function apiAccess(flags: ApiFlags): ApiAccessFiles {
  const { apiTlsCert: cert, apiTlsKey: key, apiTokenFile: tokens, apiReadTokens: readTokens } = flags;
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError("--api-tls-cert and --api-tls-key belong together: give both");
  if (readTokens && tokens === undefined) throw new UsageError("--api-read-tokens needs --api-token-file");
  return {
    ...(cert !== undefined && key !== undefined && { tls: { cert, key } }),
    ...(tokens !== undefined && { tokens, readTokens }),
  };
}
