// Entry of a worker thread. An error that nobody caught ends the thread: its state cannot be trusted, and the main
// thread starts another one.
import { parentPort, workerData } from "node:worker_threads";
import type { Extensions } from "./api.ts";
import { transferOf, type FromWorker, type ToWorker, type WorkerInit } from "./link.ts";
import { WorkerRuntime } from "./worker-runtime.ts";

await start();

async function start(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("worker.ts runs as a worker thread only");
  const init = workerData as WorkerInit;
  const module = (await import(
    init.manifest ??
      new URL(
        import.meta.url.endsWith(".ts") ? "../extensions/index.ts" : "../extensions/index.js",
        import.meta.url,
      ).href
  )) as { extensions: Extensions };
  const post = (message: FromWorker): void => port.postMessage(message, transferOf(message));
  const runtime = new WorkerRuntime(init, module.extensions, { post }, () => {
    port.close();
    // Messages that were posted are delivered before the thread ends.
    setImmediate(() => process.exit(0));
  });
  const die = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    runtime.log("critical", `Worker ${init.index} ends after an error that nobody caught: ${text}`);
    runtime.salvage();
    setImmediate(() => process.exit(1));
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
  port.on("message", (message: ToWorker) => runtime.apply(message));
  post({ kind: "ready" });
}
