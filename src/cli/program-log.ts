import { pino } from "pino";
import type { SourceLog } from "../control/catalog/source.ts";

/** The log of a program: JSON lines on standard output, level from `--log-level`. */
export function programLog(component: string, level: string): SourceLog & { error(message: string): void } {
  const log = pino({ level, base: { component } });
  return {
    info: (message) => log.info(message),
    warn: (message) => log.warn(message),
    error: (message) => log.error(message),
  };
}
