import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/** Prints what the parts of a mesh say, each line with the part's name before it, in a colour of its own on a terminal. */
export class Output {
  readonly #tty: boolean;
  #width = 8;
  readonly #colours = new Map<string, number>();

  constructor(tty: boolean = process.stdout.isTTY === true) {
    this.#tty = tty;
  }

  /** Passes on the lines of a stream. */
  follow(part: string, stream: Readable): void {
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
      this.line(part, line),
    );
  }

  line(part: string, text: string): void {
    this.#width = Math.max(this.#width, part.length);
    process.stdout.write(`${this.#paint(part, part.padEnd(this.#width))} | ${readable(text)}\n`);
  }

  /** A line without a part, for the person who started the mesh. */
  say(text: string): void {
    process.stdout.write(text + "\n");
  }

  #paint(part: string, text: string): string {
    if (!this.#tty) return text;
    let colour = this.#colours.get(part);
    if (colour === undefined)
      this.#colours.set(part, (colour = COLOURS[this.#colours.size % COLOURS.length]!));
    return `\u001b[${colour}m${text}\u001b[0m`;
  }
}

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** Our programs log JSON; people get level, message and what else there is. */
function readable(line: string): string {
  if (!line.startsWith('{"level":')) return line;
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const {
    level,
    msg,
    time: _time,
    pid: _pid,
    hostname: _hostname,
    name: _name,
    component: _component,
    ...rest
  } = entry;
  const fields = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return [LEVELS[level as number] ?? String(level), msg, ...fields].join(" ");
}
