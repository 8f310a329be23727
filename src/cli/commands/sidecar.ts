import { stringify } from "yaml";
import type { CliCommand } from "../command.ts";
import { proxyBootstrap } from "../proxy-bootstrap.ts";
import { sidecarSettings } from "../sidecar-settings.ts";

/** `weft sidecar`: a proxy whose bootstrap comes from environment variables, as envoy-simple's did. */
export const sidecarCommand: CliCommand = {
  define(program) {
    program
      .command("sidecar")
      .description(
        "a proxy told by WEFT_ variables, or envoy-simple's, where its control plane is and who it is",
      )
      .argument("[flags...]", "flags of weft proxy")
      .option("--print", "print the bootstrap, for Envoy too, and end", false)
      .allowUnknownOption()
      .passThroughOptions()
      .action(run);
  },
};

async function run(flags: string[], { print }: { print: boolean }): Promise<void> {
  const { bootstrap, args, notes } = sidecarSettings(process.env);
  for (const note of notes) console.error(note);
  const config = proxyBootstrap(bootstrap);
  if (print) {
    console.log(stringify(config, { version: "1.1" }).trimEnd());
    return;
  }
  const { runProxyCommand } = await import("../../proxy/server.ts");
  process.exitCode = await runProxyCommand(["--config-yaml", JSON.stringify(config), ...args, ...flags]);
}
