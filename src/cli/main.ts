import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { ConfigError } from "../base/load-config.ts";
import { UsageError } from "./command.ts";
import { commands } from "./commands/index.ts";

/** Runs one `weft` command line. Sets the exit code; long-running commands return when they are up. */
export async function main(argv: readonly string[]): Promise<void> {
  endWithParent();
  if (argv[0] === "proxy") {
    // Envoy's flags have rules of their own, and a sidecar should start without loading a parser for the others.
    const { runProxyCommand } = await import("../proxy/server.ts");
    process.exitCode = await runProxyCommand(argv.slice(1));
    return;
  }
  const program = new Command("weft")
    .description("A service mesh: proxy, control plane, registry and auth service")
    .version(version(), "-v, --version")
    .exitOverride()
    .configureHelp({ sortSubcommands: true });
  program
    .command("proxy")
    .description("the data plane; takes Envoy's flags and configuration (weft proxy --help)");
  for (const command of commands) command.define(program);
  try {
    await program.parseAsync(argv as string[], { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Version of this package. */
export function version(): string {
  const text = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Under `weft up` we end when it does, even if it was killed: our standard input is a pipe that it holds open. */
function endWithParent(): void {
  if (process.env["WEFT_END_WITH_STDIN"] !== "1") return;
  delete process.env["WEFT_END_WITH_STDIN"];
  process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.resume();
  // A pipe is a socket, and an open one must not keep us from ending by ourselves.
  (process.stdin as Partial<Socket>).unref?.();
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  const plain =
    error instanceof UsageError || error instanceof ConfigError || process.env["WEFT_DEBUG"] === undefined;
  console.error(error instanceof Error ? (plain ? error.message : error.stack) : String(error));
  return 1;
}
