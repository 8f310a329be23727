import { onTermination, parsePort, type CliCommand } from "../command.ts";
import { programLog } from "../program-log.ts";

const API_HOST = "127.0.0.1";

/** `weft rotor`: a control plane that takes the flags and variables of Turbine Labs' Rotor. */
export const rotorCommand: CliCommand = {
  define(program) {
    program
      .command("rotor")
      .description("a control plane told what to do by Rotor's own flags and ROTOR_ variables")
      .argument("[args...]", "Rotor's command line: [GLOBAL FLAGS] COLLECTOR [FLAGS]")
      .option(
        "--print-config",
        "print the weft control command and mesh policy that do the same, and end",
        false,
      )
      .option("--api-port <port>", `port of API, metrics and health on ${API_HOST}`, parsePort, 18_001)
      .allowUnknownOption()
      .passThroughOptions()
      .action(run);
  },
};

async function run(
  args: string[],
  { printConfig, apiPort }: { printConfig: boolean; apiPort: number },
): Promise<void> {
  const { describePlan, planRotor } = await import("../../control/rotor/rotor-plan.ts");
  const plan = planRotor(args, process.env);
  if (printConfig) {
    for (const note of plan.notes) console.error(note);
    console.log(describePlan(plan));
    return;
  }
  const { startControl } = await import("../../control/control.ts");
  const { loadPolicy } = await import("../../control/policy/load-policy.ts");
  const { loadParts } = await import("../../proxy/main/parts.ts");
  const log = programLog("rotor", plan.logLevel);
  for (const note of plan.notes) log.warn(note);
  Object.assign(process.env, plan.env);
  const { ledgers } = await loadParts();
  const control = await startControl({
    sources: [plan.source],
    policy: loadPolicy(JSON.stringify(plan.policy), "Rotor's settings"),
    host: plan.host,
    apiHost: API_HOST,
    xdsPort: plan.xdsPort,
    apiPort,
    weft: ledgers,
    ...(plan.errorLog !== undefined && {
      traffic: { logErrors: plan.errorLog.lines, errorPeriodMs: plan.errorLog.periodMs },
    }),
    log,
  });
  log.info(`xDS on ${plan.host}:${control.xdsPort}, API on http://${API_HOST}:${control.apiPort}`);
  onTermination(() => control.close());
}
