/** Two or more digits. */
function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, "0");
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
]; // prettier-ignore

type Piece = string | ((date: Date, wall: number, local: boolean) => string);

/**
 * Compiles a strftime format with Envoy's additions: `%3f` (fraction of the second), `%s` (epoch seconds), `%s_ms`,
 * `%E3S` (seconds with fraction). Takes milliseconds since the epoch. What depends on whole seconds only is kept for
 * the current second.
 */
export function compileStrftime(format: string, local = false): (wall: number) => string {
  if (format === "%Y-%m-%dT%H:%M:%E3SZ" && !local) return isoTime;
  const pieces = parse(format);
  return (wall) => {
    const date = new Date(wall);
    let out = "";
    for (const piece of pieces) out += typeof piece === "string" ? piece : piece(date, wall, local);
    return out;
  };
}

let isoMs = -1;
let isoText = "";
let isoSecond = -1;
let isoPrefix = "";

/** "2026-11-22T03:23:30.392Z" */
function isoTime(wall: number): string {
  const ms = Math.trunc(wall);
  if (ms === isoMs) return isoText;
  isoMs = ms;
  const second = Math.floor(ms / 1000);
  if (second !== isoSecond) {
    isoSecond = second;
    isoPrefix = new Date(second * 1000).toISOString().slice(0, 20);
  }
  return (isoText = isoPrefix + pad(ms - second * 1000, 3) + "Z");
}

const TOKEN = /%(?:(E?)([0-9*]?)([A-Za-z%])|(.))/gs;

function parse(format: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of format.matchAll(TOKEN)) {
    if (match.index > at) pieces.push(format.slice(at, match.index));
    at = match.index + match[0].length;
    pieces.push(piece(match[3] ?? "", match[2] ?? "", match[1] === "E") ?? match[0]);
  }
  if (at < format.length) pieces.push(format.slice(at));
  return pieces;
}

function piece(letter: string, digits: string, extended: boolean): Piece | undefined {
  if (extended && letter === "S") {
    const count = digits === "" || digits === "*" ? 3 : Number(digits);
    return (d, wall, local) =>
      pad(local ? d.getSeconds() : d.getUTCSeconds()) + (count > 0 ? "." + fraction(wall, count) : "");
  }
  if (letter === "f") return (_, wall) => fraction(wall, digits === "" ? 9 : Number(digits));
  return FIELDS[letter];
}

/** The first `digits` digits behind the decimal point of the seconds. */
function fraction(wall: number, digits: number): string {
  const nanos = Math.trunc((wall - Math.floor(wall / 1000) * 1000) * 1e6);
  return pad(nanos, 9).slice(0, digits);
}

const FIELDS: Readonly<Record<string, Piece>> = {
  "%": "%",
  n: "\n",
  t: "\t",
  Y: (d, _, local) => String(local ? d.getFullYear() : d.getUTCFullYear()),
  y: (d, _, local) => pad((local ? d.getFullYear() : d.getUTCFullYear()) % 100),
  m: (d, _, local) => pad((local ? d.getMonth() : d.getUTCMonth()) + 1),
  d: (d, _, local) => pad(local ? d.getDate() : d.getUTCDate()),
  e: (d, _, local) => String(local ? d.getDate() : d.getUTCDate()).padStart(2),
  H: (d, _, local) => pad(local ? d.getHours() : d.getUTCHours()),
  I: (d, _, local) => pad((((local ? d.getHours() : d.getUTCHours()) + 11) % 12) + 1),
  M: (d, _, local) => pad(local ? d.getMinutes() : d.getUTCMinutes()),
  S: (d, _, local) => pad(local ? d.getSeconds() : d.getUTCSeconds()),
  p: (d, _, local) => ((local ? d.getHours() : d.getUTCHours()) < 12 ? "AM" : "PM"),
  a: (d, _, local) => DAYS[local ? d.getDay() : d.getUTCDay()]!.slice(0, 3),
  A: (d, _, local) => DAYS[local ? d.getDay() : d.getUTCDay()]!,
  b: (d, _, local) => MONTHS[local ? d.getMonth() : d.getUTCMonth()]!.slice(0, 3),
  h: (d, _, local) => MONTHS[local ? d.getMonth() : d.getUTCMonth()]!.slice(0, 3),
  B: (d, _, local) => MONTHS[local ? d.getMonth() : d.getUTCMonth()]!,
  j: (d) => pad(Math.floor((d.getTime() - Date.UTC(d.getUTCFullYear(), 0, 1)) / 86_400_000) + 1, 3),
  F: (d, wall, local) => compileStrftime("%Y-%m-%d", local)(wall),
  T: (d, wall, local) => compileStrftime("%H:%M:%S", local)(wall),
  R: (d, wall, local) => compileStrftime("%H:%M", local)(wall),
  D: (d, wall, local) => compileStrftime("%m/%d/%y", local)(wall),
  s: (_, wall) => String(Math.floor(wall / 1000)),
  z: (d, _, local) => (local ? offset(d) : "+0000"),
  Z: (d, _, local) => (local ? offset(d) : "UTC"),
};

function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return (minutes < 0 ? "-" : "+") + pad(Math.floor(size / 60)) + pad(size % 60);
}
