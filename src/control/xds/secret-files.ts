import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { directoryChanges } from "../directory-changes.ts";
import { encodeResource, type Resource } from "./resource.ts";
import { SECRET } from "./resource-type.ts";
import type { SourceLog } from "../catalog/source.ts";

const CERTIFICATE = /^(.+)\.crt$/;
const AUTHORITY = /^(.+)\.ca\.crt$/;

/**
 * Secrets from the files of a folder: `NAME.crt` and `NAME.key` are the certificate NAME, `NAME.ca.crt` is the validation
 * context NAME.ca, all PEM. Calls back with all of them at first and whenever they change. A pair that does not fit
 * together, perhaps because only half of it is there yet, is logged and stays as it was. Ends with the signal.
 */
export async function followSecrets(
  folder: string,
  log: SourceLog,
  signal: AbortSignal,
  onSecrets: (secrets: readonly Resource[]) => void,
): Promise<void> {
  let known = new Map<string, Resource>();
  const told = new Set<string>();
  for await (const _ of directoryChanges(folder, signal)) {
    const next = new Map<string, Resource>();
    const problems = new Set<string>();
    const keep = (name: string, error: unknown) => {
      const problem = `Cannot load secret ${name} of "${folder}": ${(error as Error).message}`;
      problems.add(problem);
      const old = known.get(name);
      if (old !== undefined) next.set(name, old);
      if (!told.has(problem))
        log.warn(`${problem}; ${old === undefined ? "it is not served" : "keeping the one in force"}`);
      told.add(problem);
    };
    const files = await readdir(folder).catch((error: unknown) => {
      for (const name of known.keys()) keep(name, error);
      return [];
    });
    for (const file of files) {
      const name = AUTHORITY.test(file) ? file.replace(/\.crt$/, "") : CERTIFICATE.exec(file)?.[1];
      if (name === undefined) continue;
      try {
        next.set(name, await readSecret(folder, name));
      } catch (error) {
        keep(name, error);
      }
    }
    for (const problem of told) if (!problems.has(problem)) told.delete(problem);
    if (sameSecrets(known, next)) continue;
    known = next;
    onSecrets([...next.values()]);
  }
}

async function readSecret(folder: string, name: string): Promise<Resource> {
  const read = (ending: string) => readFile(join(folder, name + ending), "utf8");
  const chain = await read(".crt");
  const certificate = new X509Certificate(chain);
  if (name.endsWith(".ca")) {
    return encodeResource(SECRET, name, {
      name,
      validation_context: { trusted_ca: { inline_string: chain } },
    });
  }
  const key = await read(".key");
  if (!certificate.checkPrivateKey(createPrivateKey(key)))
    throw new Error("the key is not that of the certificate");
  return encodeResource(SECRET, name, {
    name,
    tls_certificate: { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } },
  });
}

function sameSecrets(a: ReadonlyMap<string, Resource>, b: ReadonlyMap<string, Resource>): boolean {
  return a.size === b.size && [...a].every(([name, { version }]) => b.get(name)?.version === version);
}
