import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { directoryChanges } from "../directory-changes.ts";
import { loadPolicy } from "./load-policy.ts";
import type { MeshPolicy } from "./mesh-policy.ts";
import type { SourceLog } from "../catalog/source.ts";

/** A policy file that was read and found good. */
export interface PolicyFile {
  readonly text: string;
  readonly policy: MeshPolicy;
}

/** Reads a mesh policy. Throws an Error with every problem as `Cannot load "FILE": line N: FIELD: what is wrong`. */
export async function readPolicy(file: string): Promise<PolicyFile> {
  const text = await readFile(file, "utf8");
  return { text, policy: loadPolicy(text, file) };
}

/**
 * Calls back with each good new content, again and again while that throws; a bad one is logged and the old one stays.
 * Ends with the signal.
 */
export async function followPolicy(
  file: string,
  log: SourceLog,
  signal: AbortSignal,
  onPolicy: (content: PolicyFile) => void | Promise<void>,
): Promise<void> {
  let last: string | undefined;
  for await (const _ of directoryChanges(dirname(file), signal)) {
    let seen: string;
    try {
      const text = await readFile(file, "utf8");
      seen = `text ${text}`;
      if (seen !== last) await onPolicy({ text, policy: loadPolicy(text, file) });
      if (seen !== last && last !== undefined) log.info(`mesh policy "${file}" loaded`);
    } catch (error) {
      const text = (error as Error).message;
      // Also what is good and could not be taken is tried again.
      seen = `error ${text}`;
      if (seen !== last) log.warn(`${text}; keeping the policy in force`);
    }
    last = seen;
  }
}
