import { connect } from "node:net";
import { UsageError, type CliCommand } from "../command.ts";

/** `weft restart`: a running `weft proxy --hot-restart` reads its files anew, in a new process. */
export const restartCommand: CliCommand = {
  define(program) {
    program
      .command("restart")
      .description(
        "replace the processes of a running `weft proxy --hot-restart` without losing a connection",
      )
      .option("--base-id <number>", "base id of the proxy", "0")
      .action(async ({ baseId }: { baseId: string }) => {
        if (!/^\d+$/.test(baseId)) throw new UsageError(`Cannot use --base-id: "${baseId}" is not a number`);
        const { controlPath } = await import("../../proxy/hot-restart/control-server.ts");
        const answer = await ask(controlPath(Number(baseId)), baseId);
        if (answer.error !== undefined) throw new UsageError(answer.error);
        console.log("restarted");
      });
  },
};

function ask(path: string, baseId: string): Promise<{ readonly error?: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    let text = "";
    socket.on("data", (bytes) => (text += String(bytes)));
    socket.on("error", () =>
      reject(new UsageError(`No proxy to restart: none runs with --hot-restart and --base-id ${baseId}`)),
    );
    socket.on("end", () => {
      if (text === "") reject(new UsageError("The proxy ended before it was restarted"));
      else resolve(JSON.parse(text) as { readonly error?: string });
    });
    socket.write("restart\n");
  });
}
