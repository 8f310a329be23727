import type { Command } from "commander";

/** One command of `weft`: one file in commands/, one line in commands/index.ts. */
export interface CliCommand {
  /** Adds itself to the program. The work's modules are imported when it runs, not before. */
  define(program: Command): void;
}

/** An error whose message is all that the user needs; no stack is shown. */
export class UsageError extends Error {}

/** Parses a port for commander. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`"${text}" is not a port (0 to 65535)`);
  return port;
}

/** Checks an ADDRESS:PORT for commander. */
export function parseAddress(text: string): string {
  const port = Number(/^(?:[^:\s]+|\[[0-9a-fA-F:.]+\]):(\d+)$/.exec(text)?.[1] ?? NaN);
  if (!(port <= 65_535)) throw new UsageError(`"${text}" is not an ADDRESS:PORT`);
  return text;
}

/** Collects a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Runs `stop` once on SIGTERM or SIGINT and exits 0; a second signal exits at once. */
export function onTermination(stop: () => Promise<void>): void {
  let stopping = false;
  const handle = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", handle);
  process.on("SIGINT", handle);
}
