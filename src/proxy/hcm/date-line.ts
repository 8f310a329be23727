import { HeaderLine } from "../../http/header-line.ts";
import { knownHeaderId } from "../../http/header-name.ts";

const DATE = knownHeaderId("date");
let second = -1;
let line = HeaderLine.of(DATE, "");

/** The Date header for milliseconds since the epoch; kept for the current second. */
export function dateLine(wall: number): HeaderLine {
  const now = Math.floor(wall / 1000);
  if (now !== second) {
    second = now;
    line = HeaderLine.of(DATE, new Date(now * 1000).toUTCString());
  }
  return line;
}
