import { closeSync, openSync, writeSync } from "node:fs";
import { systemClock } from "../../base/clock.ts";
import type { Logger } from "../api.ts";
import { LOG_COMPONENTS } from "./log-components.ts";
import { compileLogFormat, LOG_LEVELS, parseLogLevel, type LogEntry, type LogLevel } from "./log-format.ts";

export interface ProcessLogOptions {
  readonly level: LogLevel;
  readonly componentLevels: Readonly<Record<string, LogLevel>>;
  readonly format: string;
  /** Line feeds inside messages are escaped. */
  readonly escaped: boolean;
  /** "" = standard error. */
  readonly path: string;
}

const RANK: Readonly<Record<string, number>> = Object.fromEntries(LOG_LEVELS.map((level, i) => [level, i]));

/** The log of the process: all components of the main thread, and what workers send. Lines are written at once. */
export class ProcessLog {
  readonly #format: (entry: LogEntry) => string;
  readonly #escaped: boolean;
  readonly #path: string;
  readonly #levels = new Map<string, LogLevel>();
  #fd = 2;

  /** Throws if the file cannot be opened. */
  constructor(options: ProcessLogOptions) {
    this.#format = compileLogFormat(options.format);
    this.#escaped = options.escaped;
    this.#path = options.path;
    for (const component of LOG_COMPONENTS) {
      this.#levels.set(component, options.componentLevels[component] ?? options.level);
    }
    if (this.#path !== "") this.#fd = openSync(this.#path, "a");
  }

  /** A component's logger; its level may change at any time. */
  logger(component: string): Logger {
    return {
      trace: (message) => this.#log("trace", component, message),
      debug: (message) => this.#log("debug", component, message),
      info: (message) => this.#log("info", component, message),
      warn: (message) => this.#log("warning", component, message),
      error: (message) => this.#log("error", component, message),
    };
  }

  critical(component: string, message: string): void {
    this.#log("critical", component, message);
  }

  /** A line that a worker sent; the worker applied the levels. */
  fromWorker(level: string, component: string, message: string): void {
    const time = systemClock.wall();
    this.#write({
      time,
      level: parseLogLevel(level) ?? "info",
      component,
      message,
      file: "src/proxy/worker.ts",
      line: 1,
    });
  }

  enabled(level: LogLevel, component: string): boolean {
    return RANK[level]! >= RANK[this.#levels.get(component) ?? this.#levels.get("misc")!]!;
  }

  /** All components with their levels, in Envoy's order. */
  levels(): Readonly<Record<string, LogLevel>> {
    return Object.fromEntries(this.#levels);
  }

  /** Returns false if there is no such component. */
  setLevel(component: string, level: LogLevel): boolean {
    if (!this.#levels.has(component)) return false;
    this.#levels.set(component, level);
    return true;
  }

  setAll(level: LogLevel): void {
    for (const component of this.#levels.keys()) this.#levels.set(component, level);
  }

  /** Opens the file anew, after rotation. The old one stays if that fails; throws. */
  reopen(): void {
    if (this.#path === "") return;
    const old = this.#fd;
    this.#fd = openSync(this.#path, "a");
    closeSync(old);
  }

  #log(level: LogLevel, component: string, message: string): void {
    if (!this.enabled(level, component)) return;
    this.#write({ time: systemClock.wall(), level, component, message, ...caller() });
  }

  #write(entry: LogEntry): void {
    const message = this.#escaped ? entry.message.replaceAll("\n", "\\n") : entry.message;
    try {
      writeSync(this.#fd, `${this.#format({ ...entry, message })}\n`);
    } catch (error) {
      // A full pipe or disk must not take the proxy down; the line is lost.
      if (!["EAGAIN", "EPIPE", "ENOSPC", "EIO"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
    }
  }
}

/** File and line of the code that logged: the third frame outside of this file. */
function caller(): { file: string; line: number } {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 5;
  const stack = new Error("trace").stack ?? "";
  Error.stackTraceLimit = limit;
  const frame = stack.split("\n").find((line) => line.includes("    at ") && !line.includes("process-log"));
  const match = /((?:src|dist)\/[^:)]+):(\d+):\d+\)?$/.exec(frame ?? "");
  return match === null ? { file: "", line: 0 } : { file: match[1]!, line: Number(match[2]) };
}
