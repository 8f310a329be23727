import { accessSync, constants, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { dirname } from "node:path";
import type { AdminHost } from "./admin-host.ts";
import { OK, type AdminEndpoint, type AdminReply, type EndpointParameter } from "./endpoint.ts";

const DEFAULT_PATH = "/var/log/envoy/envoy.prof";
const USAGE: AdminReply = { status: 400, body: "?enable=<y|n>\n" };
const FAILED: AdminReply = { status: 500, body: "failure to start the profiler" };
const NO_DUMP: AdminReply = { status: 501, body: "Heap dump is not supported in current build" };

/** POST /cpuprofiler: V8's profile of the main thread goes to admin.profile_path when it is switched off. */
export const cpuProfiler: AdminEndpoint = profiler({
  path: "/cpuprofiler",
  help: "enable/disable the CPU profiler",
  parameter: "enables the CPU profiler",
  start: async (session) => {
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
  },
  stop: async (session) => (await session.post("Profiler.stop")).profile,
});

/** POST /heapprofiler: the same for allocations that are still alive. */
export const heapProfiler: AdminEndpoint = profiler({
  path: "/heapprofiler",
  help: "enable/disable the heap profiler",
  parameter: "enable/disable the heap profiler",
  start: async (session) => {
    await session.post("HeapProfiler.startSampling");
  },
  stop: async (session) => (await session.post("HeapProfiler.stopSampling")).profile,
});

/** POST /allocprofiler: V8 has no allocation profiler beside the heap profiler. */
export const allocProfiler: AdminEndpoint = {
  path: "/allocprofiler",
  help: "enable/disable the allocation profiler (if supported)",
  mutates: true,
  parameters: [enable("enable/disable the allocation profiler")],
  handle: ({ query }) =>
    isSwitch(query.get("enable"))
      ? { status: 501, body: "The current build does not support allocation profiler" }
      : USAGE,
};

/** GET /heap_dump. */
export const heapDump: AdminEndpoint = {
  path: "/heap_dump",
  help: "dump current Envoy heap (if supported)",
  handle: () => NO_DUMP,
};

/** GET /peak_heap_dump. */
export const peakHeapDump: AdminEndpoint = {
  path: "/peak_heap_dump",
  help: "dump peak Envoy heap (if supported)",
  handle: () => NO_DUMP,
};

interface Profiler {
  readonly path: string;
  readonly help: string;
  readonly parameter: string;
  start(session: Session): Promise<void>;
  stop(session: Session): Promise<unknown>;
}

function profiler({ path, help, parameter, start, stop }: Profiler): AdminEndpoint {
  let running: { session: Session; file: string } | undefined;
  return {
    path,
    help,
    mutates: true,
    parameters: [enable(parameter)],
    handle: async ({ host, query }) => {
      const wanted = query.get("enable");
      if (!isSwitch(wanted)) return USAGE;
      if (wanted === "y") {
        if (running !== undefined) return OK;
        const file = profilePath(host);
        if (!isWritable(file)) return FAILED;
        const session = new Session();
        session.connect();
        running = { session, file };
        await start(session);
      } else if (running !== undefined) {
        const { session, file } = running;
        running = undefined;
        writeFileSync(file, JSON.stringify(await stop(session)));
        session.disconnect();
      }
      return OK;
    },
  };
}

function enable(help: string): EndpointParameter {
  return { name: "enable", kind: "choice", help, choices: ["y", "n"] };
}

function isSwitch(value: string | undefined): boolean {
  return value === "y" || value === "n";
}

function profilePath({ bootstrap }: AdminHost): string {
  return bootstrap.admin?.profilePath || DEFAULT_PATH;
}

function isWritable(file: string): boolean {
  try {
    accessSync(dirname(file), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
