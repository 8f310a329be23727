import { readFileSync } from "node:fs";
import { onTermination, parsePort, UsageError, type CliCommand } from "../command.ts";
import type { UpConfig } from "../up/up-config.ts";

interface Options {
  demo: boolean;
  dataDir: string;
  edgePort?: number;
  proxy: string;
}

/** `weft up [weft.yaml]`: a whole mesh on this machine. */
export const upCommand: CliCommand = {
  define(program) {
    program
      .command("up")
      .argument("[file]", "what to run", "weft.yaml")
      .description(
        "run a whole mesh here: registry, control plane, auth, an edge, and a sidecar beside each service",
      )
      .option("--demo", "run three sample services instead of a weft.yaml", false)
      .option("--data-dir <folder>", "where state is kept", ".weft")
      .option("--edge-port <port>", "port of the edge", parsePort)
      .option("--proxy <kind>", "weft or envoy: what every proxy is", "weft")
      .action(up);
  },
};

async function up(file: string, { demo, dataDir, edgePort, proxy }: Options): Promise<void> {
  if (proxy !== "weft" && proxy !== "envoy")
    throw new UsageError(`"${proxy}" is not a proxy: say weft or envoy`);
  const begun = performance.now();
  const { Mesh } = await import("../up/mesh.ts");
  const { Output } = await import("../up/output.ts");
  const { refuseSecondCopy, serveMeshApi } = await import("../up/mesh-api.ts");
  const config = demo ? (await import("../up/demo-config.ts")).demoConfig() : await load(file);
  await refuseSecondCopy(dataDir);
  const output = new Output();
  const mesh = await Mesh.prepare({
    config: edgePort === undefined ? config : { ...config, edge: { ...config.edge, port: edgePort } },
    dataDir,
    proxy,
    output,
  });
  const closeApi = await serveMeshApi(mesh, dataDir);
  onTermination(async () => {
    output.say("stopping");
    await mesh.stop();
    closeApi();
  });
  try {
    await mesh.start();
  } catch (error) {
    await mesh.stop();
    closeApi();
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
  for (const line of summary(mesh, config, Math.round(performance.now() - begun))) output.say(line);
}

async function load(file: string): Promise<UpConfig> {
  const { loadConfig } = await import("../../base/load-config.ts");
  const { upConfigSchema } = await import("../up/up-config.ts");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new UsageError(`Cannot read "${file}": write one (docs/up.md) or try weft up --demo`);
  }
  return loadConfig(upConfigSchema, text, file);
}

function summary(mesh: import("../up/mesh.ts").Mesh, config: UpConfig, ms: number): string[] {
  const parts = mesh.parts.map(
    ({ spec }) => `  ${spec.name.padEnd(18)} ${spec.address.padEnd(21)} ${spec.about}`,
  );
  const curl = `curl -H 'Authorization: Bearer ${mesh.token}' ${mesh.edgeUrl}`;
  const paths = config.routes
    .map(({ path, prefix }) => path ?? `${prefix!.replace(/\/$/, "")}/1`)
    .slice(0, 3);
  return [
    "",
    `The mesh is up after ${(ms / 1000).toFixed(1)} s.`,
    ...parts,
    "",
    `edge   ${mesh.edgeUrl}`,
    `token  ${mesh.token}`,
    "",
    "Try:",
    ...paths.map((path) => `  ${curl}${path}`),
    `  curl -i ${mesh.edgeUrl}${paths[0] ?? "/"}     # no token: 401`,
    "",
    "Ctrl-C drains and stops everything; weft ps, weft stop, weft start and weft scale look after it meanwhile.",
    "",
  ];
}
