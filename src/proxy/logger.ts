import type { Logger } from "./api.ts";

const LEVELS = ["trace", "debug", "info", "warning", "error", "critical", "off"];

/** Levels per component, changed at run time; the empty name is the level of all others. */
export class LogLevels {
  #levels: Readonly<Record<string, string>>;
  /** Goes up with each change, so that loggers look their level up again. */
  version = 0;

  constructor(levels: Readonly<Record<string, string>>) {
    this.#levels = levels;
  }

  set(levels: Readonly<Record<string, string>>): void {
    this.#levels = levels;
    this.version++;
  }

  /** Index of the least level that a component prints. */
  of(component: string): number {
    const name = this.#levels[component] ?? this.#levels[""] ?? "info";
    const index = LEVELS.indexOf(name === "warn" ? "warning" : name);
    return index < 0 ? 2 : index;
  }
}

/** Where lines go: level, component, text. */
export type LogWriter = (level: string, component: string, message: string) => void;

/** A logger of one component over shared levels. */
export function createLogger(component: string, levels: LogLevels, write: LogWriter): Logger {
  let version = -1;
  let least = 0;
  const at = (index: number) => (message: string) => {
    if (version !== levels.version) {
      version = levels.version;
      least = levels.of(component);
    }
    if (index >= least) write(LEVELS[index]!, component, message);
  };
  return { trace: at(0), debug: at(1), info: at(2), warn: at(3), error: at(4) };
}
