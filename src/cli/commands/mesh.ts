import { UsageError, type CliCommand } from "../command.ts";
import { printTable } from "../table.ts";
import { callMesh, type PartJson } from "../up/mesh-api.ts";

interface Options {
  dataDir: string;
}

const DATA_DIR = ["--data-dir <folder>", "the folder of the running weft up", ".weft"] as const;

/** `weft ps|stop|kill|start|scale`: look after a running `weft up`. */
export const meshCommands: CliCommand = {
  define(program) {
    program
      .command("ps")
      .description("the parts of a running weft up")
      .option(...DATA_DIR)
      .action(ps);
    for (const [verb, about] of [
      ["stop", "stop one part of a running weft up (it stays stopped)"],
      ["kill", "end one part with SIGKILL (it stays stopped)"],
      ["start", "start a stopped part again"],
    ] as const) {
      program
        .command(verb)
        .argument("<part>", "its name in weft ps")
        .description(about)
        .option(...DATA_DIR)
        .action(async (name: string, { dataDir }: Options) => {
          const part = await callMesh<PartJson>(
            dataDir,
            "POST",
            `/v1/parts/${encodeURIComponent(name)}/${verb}`,
          );
          console.log(`${part.name} ${part.state}`);
        });
    }
    program
      .command("scale")
      .argument("<service>")
      .argument("<instances>", "how many there should be")
      .description("start or drain instances of a service of a running weft up")
      .option(...DATA_DIR)
      .action(scale);
  },
};

async function ps({ dataDir }: Options): Promise<void> {
  const { parts } = await callMesh<{ parts: PartJson[] }>(dataDir, "GET", "/v1/parts");
  printTable(
    ["PART", "STATE", "PID", "ADDRESS", "WHAT"],
    parts.map((part) => [part.name, part.state, part.pid ?? "-", part.address, part.about]),
  );
}

async function scale(service: string, wanted: string, { dataDir }: Options): Promise<void> {
  const count = Number(wanted);
  if (!Number.isInteger(count) || count < 0 || count > 100)
    throw new UsageError(`"${wanted}" is not a number of instances (0 to 100)`);
  const path = `/v1/services/${encodeURIComponent(service)}`;
  let have = (await callMesh<{ instances: string[] }>(dataDir, "GET", path)).instances.length;
  while (have !== count) {
    const verb = have < count ? "add" : "remove";
    const { instance } = await callMesh<{ instance: string }>(dataDir, "POST", `${path}/${verb}`);
    console.log(`${instance} ${verb === "add" ? "started" : "stopped"}`);
    have += verb === "add" ? 1 : -1;
  }
}
