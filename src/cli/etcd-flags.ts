import type { Command } from "commander";
import type { EtcdOptions } from "../etcd/etcd-client.ts";
import { UsageError } from "./command.ts";

/** What the flags of `addEtcdFlags` give. */
export interface EtcdFlags {
  etcd?: string;
  etcdPrefix: string;
  etcdUser: string;
  etcdPassword: string;
  etcdCa: string;
  etcdCert: string;
  etcdKey: string;
}

/** Where a program keeps its state in etcd. */
export interface EtcdPlace {
  readonly urls: readonly string[];
  readonly prefix: string;
  readonly etcd: EtcdOptions;
}

const TIMEOUT_MS = 5000;

/** Adds the flags that name an etcd cluster. */
export function addEtcdFlags(command: Command, prefix: string): Command {
  return command
    .option("--etcd <urls>", "keep everything in etcd: addresses of its members, with commas between")
    .option("--etcd-prefix <text>", "what all keys begin with", prefix)
    .option("--etcd-user <name>", "user of etcd", "")
    .option("--etcd-password <password>", "the user's password; @FILE reads it from a file", "")
    .option("--etcd-ca <file>", "certificates to trust, PEM", "")
    .option("--etcd-cert <file>", "client certificate, PEM", "")
    .option("--etcd-key <file>", "key of the client certificate, PEM", "");
}

/** Undefined when no etcd is named. */
export function etcdPlace(flags: EtcdFlags): EtcdPlace | undefined {
  if (flags.etcd === undefined) return undefined;
  const urls = flags.etcd.split(",").map((url) => url.trim());
  for (const url of urls) {
    if (!/^https?:\/\/[^/]/.test(url))
      throw new UsageError(`Cannot use --etcd: "${url}" is not a URL such as http://127.0.0.1:2379`);
  }
  const { etcdUser: user, etcdPassword: password, etcdCa: ca, etcdCert: cert, etcdKey: key } = flags;
  const etcd = { user, password, ca, cert, key, insecure: false, timeout: TIMEOUT_MS };
  return { urls, prefix: flags.etcdPrefix, etcd };
}
