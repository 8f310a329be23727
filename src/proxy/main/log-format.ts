// spdlog's pattern syntax, as far as --log-format uses it.
import { basename } from "node:path";

export type LogLevel = "trace" | "debug" | "info" | "warning" | "error" | "critical" | "off";

/** Levels from the most to the least talkative; a component prints its own level and those behind it. */
export const LOG_LEVELS: readonly LogLevel[] = [
  "trace",
  "debug",
  "info",
  "warning",
  "error",
  "critical",
  "off",
];

export const DEFAULT_LOG_FORMAT = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v";

/** One line of the log before it is formatted. */
export interface LogEntry {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  /** Where the line comes from; "" if it is not known. */
  readonly file: string;
  readonly line: number;
}

/** A level by its name; Envoy takes "warn" for "warning". */
export function parseLogLevel(text: string): LogLevel | undefined {
  if (text === "warn") return "warning";
  return LOG_LEVELS.find((level) => level === text);
}

/** Compiles a pattern; the result has no line feed at its end. */
export function compileLogFormat(pattern: string): (entry: LogEntry) => string {
  const parts: (string | ((entry: LogEntry) => string))[] = [];
  let text = "";
  for (let i = 0; i < pattern.length; i++) {
    // Alignment, as in "%-8l", is read over: columns are not padded.
    const match = /^%[-=]?\d*!?(.)/s.exec(pattern.slice(i));
    if (match === null) {
      text += pattern[i]!;
      continue;
    }
    i += match[0].length - 1;
    const flag = FLAGS[match[1]!];
    if (flag === undefined) text += match[1] === "%" ? "%" : match[0];
    else {
      parts.push(text, flag);
      text = "";
    }
  }
  parts.push(text);
  return (entry) => parts.map((part) => (typeof part === "string" ? part : part(entry))).join("");
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = "January February March April May June July August September October November December".split(
  " ",
);
const pad = (value: number, digits = 2): string => String(value).padStart(digits, "0");
const date = (entry: LogEntry): Date => new Date(entry.time);
const clock = (d: Date): string => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
const zone = (d: Date): string => {
  const minutes = -d.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
};

const FLAGS: Readonly<Record<string, (entry: LogEntry) => string>> = {
  v: (e) => e.message,
  // Envoy's own flag: the message with line feeds escaped.
  _: (e) => e.message.replace(/[\n\r\t\\]/g, (c) => JSON.stringify(c).slice(1, -1)),
  j: (e) => JSON.stringify(e.message).slice(1, -1),
  n: (e) => e.component,
  l: (e) => e.level,
  L: (e) => e.level[0]!.toUpperCase(),
  t: () => String(process.pid),
  P: () => String(process.pid),
  Y: (e) => String(date(e).getFullYear()),
  C: (e) => pad(date(e).getFullYear() % 100),
  m: (e) => pad(date(e).getMonth() + 1),
  d: (e) => pad(date(e).getDate()),
  D: (e) => `${pad(date(e).getMonth() + 1)}/${pad(date(e).getDate())}/${pad(date(e).getFullYear() % 100)}`,
  H: (e) => pad(date(e).getHours()),
  I: (e) => pad(date(e).getHours() % 12 || 12),
  M: (e) => pad(date(e).getMinutes()),
  S: (e) => pad(date(e).getSeconds()),
  p: (e) => (date(e).getHours() < 12 ? "AM" : "PM"),
  e: (e) => pad(Math.floor(e.time % 1000), 3),
  f: (e) => pad(Math.floor((e.time % 1000) * 1000), 6),
  F: (e) => pad(Math.floor((e.time % 1000) * 1_000_000), 9),
  E: (e) => String(Math.floor(e.time / 1000)),
  T: (e) => clock(date(e)),
  X: (e) => clock(date(e)),
  R: (e) => clock(date(e)).slice(0, 5),
  z: (e) => zone(date(e)),
  a: (e) => DAYS[date(e).getDay()]!.slice(0, 3),
  A: (e) => DAYS[date(e).getDay()]!,
  b: (e) => MONTHS[date(e).getMonth()]!.slice(0, 3),
  B: (e) => MONTHS[date(e).getMonth()]!,
  g: (e) => e.file || "-",
  s: (e) => basename(e.file || "-"),
  "#": (e) => String(e.line),
  "@": (e) => `${e.file || "-"}:${e.line}`,
  "!": () => "",
  "^": () => "",
  $: () => "",
};
