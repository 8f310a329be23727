import type { Command } from "commander";
import { stringify } from "yaml";
import type { AuditEvent } from "../../control/audit-log.ts";
import type { NodeResource } from "../../control/xds/node-resources.ts";
import { UsageError } from "../command.ts";
import { askControl } from "./ask-control.ts";

const WAIT_SECONDS = 60;

/** `weft control dump` and `watch`: what one proxy is to have, and what happens. */
export function defineLookCommands(control: Command, defaultApi: string): void {
  const api = ["--api <url>", "address of the control plane's API", defaultApi] as const;
  control
    .command("dump <node>")
    .description("all resources that a connected proxy is to have, as YAML")
    .option("--type <word>", "only types with this in their name: cluster, listener, …", "")
    .option("--json", "JSON instead of YAML, with versions and whether each was accepted", false)
    .option(...api)
    .action(dump);
  control
    .command("watch")
    .description("tell what happens from now on: endpoints, holds, proxies, rejections, configuration")
    .option("--all", "begin with what happened before", false)
    .option("--service <name>", "only what has to do with a service", "")
    .option(...api)
    .action(watch);
}

async function dump(
  node: string,
  { api, type, json }: { api: string; type: string; json: boolean },
): Promise<void> {
  const all = await askControl<Record<string, NodeResource[]>>(
    api,
    `/v1/nodes/${encodeURIComponent(node)}/resources`,
  );
  const wanted = Object.entries(all).filter(([name]) => name.toLowerCase().includes(type.toLowerCase()));
  if (wanted.length === 0)
    throw new UsageError(
      `Node "${node}" has no resources of type "${type}": it has ${Object.keys(all).join(", ")}`,
    );
  if (json) {
    console.log(JSON.stringify(Object.fromEntries(wanted), null, 2));
    return;
  }
  for (const [name, resources] of wanted) {
    console.log(`# ${name}`);
    console.log(stringify(resources.map(({ resource }) => resource)).trimEnd());
  }
}

async function watch({ api, all, service }: { api: string; all: boolean; service: string }): Promise<void> {
  let after = 0;
  if (!all) after = (await ask(api, 0, 0)).at(-1)?.index ?? 0;
  for (;;) {
    for (const event of await ask(api, after, WAIT_SECONDS)) {
      after = event.index;
      if (service === "" || event.service === service || event.text.includes(service))
        console.log(`${event.time} ${event.kind === "warning" ? "! " : ""}${event.text}`);
    }
  }
}

async function ask(api: string, after: number, wait: number): Promise<readonly AuditEvent[]> {
  return (await askControl<{ events: AuditEvent[] }>(api, `/v1/events?after=${after}&wait=${wait}`)).events;
}
