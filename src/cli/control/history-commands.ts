import type { Command } from "commander";
import type { Revision, RevisionSummary } from "../../control/store/revision-store.ts";
import { printTable } from "../table.ts";
import { askControl, callControl } from "./ask-control.ts";
import { lineDiff } from "./line-diff.ts";

/** `weft control history`, `show` and `rollback`: what was in force when, and going back to it. */
export function defineHistoryCommands(control: Command, defaultApi: string): void {
  const api = ["--api <url>", "address of the control plane's API", defaultApi] as const;
  control
    .command("history")
    .description("changes of the configuration, the newest first")
    .option("--limit <number>", "how many", "20")
    .option(...api)
    .action(history);
  control
    .command("show <revision>")
    .description("the configuration at a revision")
    .option("--diff", "only what it changed", false)
    .option(...api)
    .action(show);
  control
    .command("rollback <revision>")
    .description("bring back the configuration of a revision, as a new revision")
    .option(...api)
    .action(rollback);
}

async function history({ api, limit }: { api: string; limit: string }): Promise<void> {
  const path = `/v1/revisions?limit=${encodeURIComponent(limit)}`;
  const { revisions } = await askControl<{ revisions: RevisionSummary[] }>(api, path);
  printTable(
    ["REVISION", "WHEN", "BY", "FROM", "WHAT"],
    revisions.map(({ number, time, by, source, message }) => [
      number,
      new Date(time).toISOString(),
      by,
      source,
      message,
    ]),
  );
}

async function show(number: string, { api, diff }: { api: string; diff: boolean }): Promise<void> {
  const read = (at: number) => askControl<Revision>(api, `/v1/revisions/${at}`);
  const revision = await read(Number(number));
  const { time, by, source, message, documents } = revision;
  console.log(
    `revision ${revision.number}, ${new Date(time).toISOString()}, by ${by}, from ${source}: ${message}`,
  );
  const before = diff && revision.number > 1 ? (await read(revision.number - 1)).documents : {};
  // The file as it was read only matters to the control plane itself.
  for (const [name, text] of Object.entries(documents).filter(([each]) => each !== "policy_file")) {
    const shown = name === "deployments" ? JSON.stringify(JSON.parse(text), null, 2) : text;
    const old = before[name] ?? "";
    const oldShown = name === "deployments" && old !== "" ? JSON.stringify(JSON.parse(old), null, 2) : old;
    if (diff && old === text) continue;
    console.log(`--- ${name}`);
    console.log(diff ? lineDiff(oldShown, shown).join("\n") : shown.trimEnd());
  }
}

async function rollback(number: string, { api }: { api: string }): Promise<void> {
  const response = await callControl(api, `/v1/revisions/${encodeURIComponent(number)}/rollback`, "POST");
  const { revision } = (await response.json()) as { revision: number };
  console.log(`revision ${revision} is in force: the configuration of revision ${number}`);
}
