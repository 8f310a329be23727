import type { Command } from "commander";
import { printTable } from "../table.ts";
import { askControl } from "./ask-control.ts";

interface ErrorsJson {
  readonly since: string;
  readonly errors: readonly {
    readonly status: number;
    readonly method: string;
    readonly url: string;
    readonly cluster: string;
    readonly count: number;
    readonly too_high_by: number;
  }[];
}

/** `weft control errors`: what most often is not answered with 2xx. */
export function defineErrorsCommand(control: Command, defaultApi: string): void {
  control
    .command("errors")
    .description("what most often is not answered with 2xx, as access logs tell it (access_log: control)")
    .option("--top <number>", "how many lines", "20")
    .option("--api <url>", "address of the control plane's API", defaultApi)
    .action(showErrors);
}

async function showErrors({ top, api }: { top: string; api: string }): Promise<void> {
  const path = `/v1/traffic/errors?top=${encodeURIComponent(top)}`;
  const { since, errors } = await askControl<ErrorsJson>(api, path);
  console.log(`since ${since}`);
  printTable(
    ["COUNT", "STATUS", "METHOD", "CLUSTER", "URL"],
    errors.map(({ count, too_high_by: excess, status, method, cluster, url }) => [
      excess === 0 ? count : `${count - excess}-${count}`,
      status,
      method || "-",
      cluster || "-",
      url,
    ]),
  );
}
