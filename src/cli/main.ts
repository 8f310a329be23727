import type { Socket } from "node:net";

/** Runs one `weft` command line. Sets the exit code; long-running commands return when they are up. */
export async function main(argv: readonly string[]): Promise<void> {
  endWithParent();
  if (argv[0] === "proxy") {
    // Envoy's flags have rules of their own, and a sidecar should start without loading the other commands.
    const { runProxyCommand } = await import("../proxy/server.ts");
    process.exitCode = await runProxyCommand(argv.slice(1));
    return;
  }
  const { runCommandLine } = await import("./run-command-line.ts");
  const code = await runCommandLine(argv);
  if (code !== undefined) process.exitCode = code;
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
