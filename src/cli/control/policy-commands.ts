import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { stringify } from "yaml";
import type { Catalog, SourcedEndpoint } from "../../control/model.ts";
import type { PolicyChange } from "../../control/policy/policy-changes.ts";
import { askControl, callControl } from "./ask-control.ts";
import { lineDiff } from "./line-diff.ts";

interface ServiceJson {
  readonly name: string;
  readonly endpoints: readonly SourcedEndpoint[];
}

/** How many nodes are named for one change. */
const NAMED = 4;

/** `weft control check` and `weft control diff`: what a policy would do, before it does. */
export function definePolicyCommands(control: Command, defaultApi: string): void {
  control
    .command("check <policy>")
    .description("everything that is wrong with a mesh policy; 1 when something is")
    .option("--api <url>", "check it with the services of a running control plane, not only those it names")
    .action(check);
  control
    .command("diff <policy> [than]")
    .description("what proxies would get otherwise: than now, or than by another policy file")
    .option("--api <url>", "address of the control plane's API", defaultApi)
    .option("--names", "only which resources, not how they differ", false)
    .action(diff);
}

async function check(file: string, { api }: { api?: string }): Promise<void> {
  const { checkPolicy } = await import("../../control/policy/check-policy.ts");
  const { formatConfigProblem } = await import("../../base/load-config.ts");
  const catalog = api === undefined ? undefined : await catalogOf(api);
  const { problems, resources, views } = checkPolicy(await readFile(file, "utf8"), catalog);
  for (const problem of problems) console.error(formatConfigProblem(problem, file));
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`${file} is good: ${resources} resources in ${views.length} views (${views.join(", ")})`);
}

async function diff(
  file: string,
  than: string | undefined,
  { api, names }: { api: string; names: boolean },
): Promise<void> {
  const text = await readFile(file, "utf8");
  const changes = than === undefined ? await changesLive(api, text, file) : await changesOf(file, text, than);
  for (const change of changes) print(change, names);
  if (changes.length === 0) console.log("nothing changes for any proxy");
}

async function changesLive(api: string, text: string, file: string): Promise<readonly PolicyChange[]> {
  const { loadPolicy } = await import("../../control/policy/load-policy.ts");
  loadPolicy(text, file);
  const response = await callControl(api, "/v1/policy/diff", "POST", text);
  return ((await response.json()) as { changes: PolicyChange[] }).changes;
}

async function changesOf(file: string, text: string, than: string): Promise<readonly PolicyChange[]> {
  const { loadPolicy } = await import("../../control/policy/load-policy.ts");
  const { policyCatalog } = await import("../../control/policy/policy-catalog.ts");
  const { policyChanges } = await import("../../control/policy/policy-changes.ts");
  const before = loadPolicy(await readFile(than, "utf8"), than);
  const after = loadPolicy(text, file);
  const catalog = new Map([...policyCatalog(before), ...policyCatalog(after)]);
  return policyChanges(catalog, before, after, []);
}

async function catalogOf(api: string): Promise<Catalog> {
  const { services } = await askControl<{ services: ServiceJson[] }>(api, "/v1/services");
  return new Map(services.map(({ name, endpoints }) => [name, endpoints]));
}

function print({ for: who, type, name, before, after }: PolicyChange, namesOnly: boolean): void {
  const sign = before === undefined ? "+" : after === undefined ? "-" : "~";
  const more = who.length > NAMED ? ` and ${who.length - NAMED} more` : "";
  console.log(`${sign} ${type.split(".").at(-1)} ${name}  (${who.slice(0, NAMED).join(", ")}${more})`);
  if (namesOnly) return;
  const text = (value: unknown) => (value === undefined ? "" : stringify(value, { lineWidth: 0 }));
  for (const line of lineDiff(text(before), text(after))) console.log(`    ${line}`);
}
