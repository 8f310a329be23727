import { UsageError, type CliCommand } from "../command.ts";

/** `weft validate FILE`: would `weft proxy` take this bootstrap? All that is wrong, at once. */
export const validateCommand: CliCommand = {
  define(program) {
    program
      .command("validate")
      .argument("<file>", "an Envoy v3 bootstrap, YAML or JSON")
      .option("--allow-unsupported", "fields that Weft does not implement are warnings", false)
      .description("check a proxy's configuration; prints every problem with file, line and field")
      .action(async (file: string, { allowUnsupported }: { allowUnsupported: boolean }) => {
        const { runProxyCommand } = await import("../../proxy/server.ts");
        const flags = [
          "--mode",
          "validate",
          "-c",
          file,
          ...(allowUnsupported ? ["--allow-unsupported"] : []),
        ];
        if ((await runProxyCommand(flags)) !== 0)
          throw new UsageError(`"${file}" is not a valid configuration`);
      });
  },
};
