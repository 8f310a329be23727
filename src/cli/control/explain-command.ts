import type { Command } from "commander";
import type { Explanation, NodeExplanation, ServiceExplanation } from "../../control/explain/explanation.ts";
import { printTable } from "../table.ts";
import { askControl } from "./ask-control.ts";

/** `weft control explain`: why proxies have an endpoint, or have it not. */
export function defineExplainCommand(control: Command, defaultApi: string): void {
  control
    .command("explain <what>")
    .description("follow a service, ip:port, address or pod from its sources to each proxy")
    .option("--json", "everything, as JSON", false)
    .option("--api <url>", "address of the control plane's API", defaultApi)
    .action(explain);
}

async function explain(what: string, { api, json }: { api: string; json: boolean }): Promise<void> {
  const explanation = await askControl<Explanation>(api, `/v1/explain?what=${encodeURIComponent(what)}`);
  if (json) {
    console.log(JSON.stringify(explanation, null, 2));
    return;
  }
  for (const verdict of explanation.verdicts) console.log(verdict);
  for (const { source, subject, reason } of explanation.left_out)
    console.log(`  left out by ${source}: ${subject}: ${reason}`);
  for (const service of explanation.services) show(service, explanation);
}

function show(service: ServiceExplanation, { sources }: Explanation): void {
  console.log("");
  printTable(
    ["SOURCE", "READ", "SAYS", "BELIEVED", "WHY"],
    service.sources.map(({ source, reported, believed, hold }) => {
      const from = sources.find(({ name }) => name === source);
      const age = from?.age_seconds;
      const why = hold?.reason ?? from?.error ?? "";
      return [
        source,
        age === null || age === undefined ? "never" : `${age} s ago`,
        listed(reported),
        listed(believed),
        why || "-",
      ];
    }),
  );
  console.log("");
  printTable(
    ["TOLD TO PROXIES", "HEALTH", "WEIGHT", "PRIORITY", "ZONE", "VERSION", "SOURCE", "HELD"],
    service.merged.map((each) => [
      each.address,
      each.health,
      each.weight,
      each.priority ?? 0,
      [each.region, each.zone].filter((part) => part !== "").join("/") || "-",
      each.version || "-",
      each.source,
      each.held ? "yes" : "-",
    ]),
  );
  console.log("");
  printTable(["PROXY", "VIEW", "CLUSTER", "HAS", "STATE", "DETAIL"], service.nodes.flatMap(nodeRows));
}

function nodeRows({ node, view, reason, clusters }: NodeExplanation): (string | number)[][] {
  if (clusters.length === 0) return [[node, view, "-", "-", "-", reason]];
  return clusters.map(({ cluster, endpoints, state, detail }) => [
    node,
    view,
    cluster,
    endpoints,
    state,
    detail || "-",
  ]);
}

function listed(addresses: readonly string[] | null): string {
  if (addresses === null) return "nothing of it";
  if (addresses.length > 3) return `${addresses.length} endpoints`;
  return addresses.join(" ") || "no endpoints";
}
