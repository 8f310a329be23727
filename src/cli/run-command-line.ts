import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { describeError } from "../base/describe-error.ts";
import { ConfigError } from "../base/load-config.ts";
import { UsageError } from "./command.ts";
import { commands } from "./commands/index.ts";

/** Parses the arguments of all commands but `proxy`, runs one, and returns the exit code, if it is known already. */
export async function runCommandLine(argv: readonly string[]): Promise<number | undefined> {
  const program = new Command("weft")
    .description("A service mesh: proxy, control plane, registry and auth service")
    .version(version(), "-v, --version")
    .exitOverride()
    .showHelpAfterError("(add --help for what there is)")
    .enablePositionalOptions()
    .configureHelp({ sortSubcommands: true });
  program
    .command("proxy")
    .description("the data plane; takes Envoy's flags and configuration (weft proxy --help)");
  for (const command of commands) command.define(program);
  try {
    await program.parseAsync(argv as string[], { from: "user" });
    return undefined;
  } catch (error) {
    return report(error);
  }
}

/** Version of this package. */
function version(): string {
  const text = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  const plain =
    error instanceof UsageError || error instanceof ConfigError || process.env["WEFT_DEBUG"] === undefined;
  console.error(error instanceof Error && !plain ? error.stack : describeError(error));
  return 1;
}
