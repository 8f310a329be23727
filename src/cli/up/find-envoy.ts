import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { UsageError } from "../command.ts";

/** Path of a real Envoy: WEFT_ENVOY, the checkout's installed peers, PATH. Throws when there is none. */
export function findEnvoy(): string {
  const named = process.env["WEFT_ENVOY"];
  const candidates = [
    ...(named === undefined ? [] : [named]),
    join(import.meta.dirname, "../../../.cache/peers/envoy"),
    ...(process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "envoy")),
  ];
  const found = candidates.find(isExecutable);
  if (found === undefined) throw new UsageError("Cannot find Envoy: put it on PATH or name it in WEFT_ENVOY");
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
