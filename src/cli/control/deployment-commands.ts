import type { Command } from "commander";
import type { Deployment } from "../../control/deployments/deployment.ts";
import { UsageError } from "../command.ts";
import { printTable } from "../table.ts";
import { askControl, callControl } from "./ask-control.ts";

interface DeploymentJson extends Deployment {
  readonly shares: Readonly<Record<string, number>>;
  readonly waits_for: string;
}

interface DeployOptions {
  to: string;
  steps: string;
  interval: string;
  minSuccess?: string;
  maxLatency?: string;
  minRequests?: string;
  api: string;
}

/** `weft control deploy` and `weft control deployment …`: shifting requests to a new version. */
export function defineDeploymentCommands(control: Command, defaultApi: string): void {
  const api = ["--api <url>", "address of the control plane's API", defaultApi] as const;
  control
    .command("deploy <service>")
    .description("shift requests to another version of a service step by step, back if it does badly")
    .requiredOption("--to <version>", "the version that is to get all requests")
    .option("--steps <percents>", "share of the new version in each step", "5,25,50,100")
    .option("--interval <time>", "how long each step takes at least: 30s, 5m", "60s")
    .option("--min-success <percent>", "how many requests must succeed (99)")
    .option("--max-latency <factor>", "how many times as long requests may take on average (2)")
    .option("--min-requests <number>", "how many requests are enough to judge by (20)")
    .option(...api)
    .action(deploy);
  const deployment = control.command("deployment").description("look after deployments");
  deployment
    .command("status [service]", { isDefault: true })
    .description("where deployments are, what they wait for, how they ended")
    .option(...api)
    .action(status);
  for (const [what, description] of [
    ["pause", "keep the step in force"],
    ["resume", "go on with the step in force"],
    ["abort", "go back to the shares from before"],
  ] as const) {
    deployment
      .command(`${what} <service>`)
      .description(description)
      .option(...api)
      .action(async (service: string, options: { api: string }) => {
        await callControl(options.api, `/v1/deployments/${encodeURIComponent(service)}/${what}`, "POST");
        await status(service, options);
      });
  }
}

async function deploy(service: string, options: DeployOptions): Promise<void> {
  const criteria = Object.entries({
    min_success_percent: options.minSuccess,
    max_latency_factor: options.maxLatency,
    min_requests: options.minRequests,
  }).flatMap(([name, text]) => (text === undefined ? [] : [[name, number(text)] as const]));
  await callControl(options.api, `/v1/deployments/${encodeURIComponent(service)}`, "POST", {
    to: options.to,
    steps: options.steps.split(",").map(number),
    interval_ms: milliseconds(options.interval),
    criteria: Object.fromEntries(criteria),
  });
  await status(service, options);
}

async function status(service: string | undefined, { api }: { api: string }): Promise<void> {
  const { deployments } = await askControl<{ deployments: DeploymentJson[] }>(api, "/v1/deployments");
  const shown = deployments.filter((each) => service === undefined || each.service === service);
  printTable(
    ["SERVICE", "TO", "PHASE", "STEP", "SHARES", "SINCE", "BY", "WHY"],
    shown.map((each) => [
      each.service,
      each.to,
      each.phase.replace("_", " "),
      `${each.step + 1} of ${each.steps.length}`,
      Object.entries(each.shares)
        .map(([version, share]) => `${version} ${share / 100} %`)
        .join(", "),
      new Date(each.step_since).toISOString(),
      each.by,
      each.reason || (each.waits_for && `waits for ${each.waits_for}`) || "-",
    ]),
  );
}

/** "30s", "5m", "500ms" or "1h" in milliseconds. */
function milliseconds(text: string): number {
  const [, count = "", unit = ""] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit];
  if (factor === undefined) throw new UsageError(`"${text}" is not a time: say 30s, 5m or 1h`);
  return Number(count) * factor;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`"${text}" is not a number`);
  return value;
}
