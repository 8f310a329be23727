import type { Command } from "commander";
import type { XdsOptions } from "../../control/control.ts";
import { collect, UsageError } from "../command.ts";

/** Flags that say who may ask the xDS port for configuration, and for how long. */
export interface XdsFlags {
  tlsCert?: string;
  tlsKey?: string;
  tlsCa?: string;
  allowSan?: string[];
  tokenFile?: string;
  maxConnectionAge: string;
  drainTime: string;
}

/** Adds the flags to a command. */
export function addXdsFlags(command: Command): void {
  command
    .option(
      "--tls-cert <file>",
      "certificate of the xDS port, PEM; it and the next are read again when they change",
    )
    .option("--tls-key <file>", "its key")
    .option("--tls-ca <file>", "proxies must show a certificate of one of these authorities")
    .option(
      "--allow-san <pattern>",
      "DNS name or SPIFFE id of proxies that are let in, * being any characters; repeatable",
      collect,
    )
    .option(
      "--token-file <file>",
      "proxies must send one of these tokens, one a line: authorization: Bearer TOKEN",
    )
    .option(
      "--max-connection-age <minutes>",
      "age at which proxies are asked to connect anew, or never",
      "30",
    )
    .option(
      "--drain-time <seconds>",
      "longest time over which proxies are sent elsewhere when it is told to stop",
      "5",
    );
}

/** What the flags say. Throws a UsageError for flags that make no sense together. */
export function xdsOptions(flags: XdsFlags): XdsOptions {
  const { tlsCert: cert, tlsKey: key, tlsCa: ca, allowSan, tokenFile } = flags;
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError("--tls-cert and --tls-key belong together: give both");
  if (ca !== undefined && cert === undefined) throw new UsageError("--tls-ca needs --tls-cert and --tls-key");
  return {
    ...(cert !== undefined && key !== undefined && { tls: { cert, key, ...(ca !== undefined && { ca }) } }),
    ...(allowSan !== undefined && { allowSans: allowSan }),
    ...(tokenFile !== undefined && { tokens: tokenFile }),
    maxConnectionAgeMs:
      flags.maxConnectionAge === "never"
        ? 0
        : 60_000 * positive("--max-connection-age", flags.maxConnectionAge),
    drainMs: 1000 * positive("--drain-time", flags.drainTime),
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (text !== "" && value >= 0) return value;
  throw new UsageError(`${flag} is "${text}": it must be a number that is not negative`);
}
