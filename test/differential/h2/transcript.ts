import { ACK, END_STREAM, ERROR_NAMES } from "../../../src/testing/h2-frames.ts";
import { showFrame } from "../../../src/testing/h2-frame-log.ts";
import type { ReceivedFrame } from "../../../src/testing/h2-reader.ts";

/** What came on one stream. */
export interface H2StreamRecord {
  readonly id: number;
  /** Heads that are not final (interim responses), the head, and the trailers, each as lines. */
  readonly interims: readonly string[][];
  readonly head: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Status of the response; 0 without one. */
  readonly status: number;
  /** "end", "open", or the error that the peer reset it with, after the end or before. */
  readonly fate: string;
}

/** What one end of an HTTP/2 connection received. */
export interface H2Transcript {
  readonly streams: readonly H2StreamRecord[];
  /** A line per GOAWAY, and per odd frame. */
  readonly goaways: readonly string[];
  /** Every frame in its order, but the acknowledgements of settings; field blocks as a line per field. */
  readonly frames: readonly string[];
}

/** Sorts frames by their streams. */
export function transcriptOf(frames: readonly ReceivedFrame[]): H2Transcript {
  const byStream = Map.groupBy(
    frames.filter(({ id, type }) => id > 0 && type !== "WINDOW_UPDATE"),
    ({ id }) => id,
  );
  const ids = [...byStream.keys()].sort((a, b) => a - b);
  return {
    streams: ids.map((id) => streamOf(id, byStream.get(id)!)),
    goaways: frames.filter(({ type }) => type === "GOAWAY").map(showGoAway),
    frames: frames.flatMap(frameLines),
  };
}

function streamOf(id: number, frames: readonly ReceivedFrame[]): H2StreamRecord {
  const interims: string[][] = [];
  let head: string[] | undefined;
  let trailers: string[] = [];
  let body = "";
  let fate = "open";
  let status = 0;
  for (const { type, flags, payload, fields } of frames) {
    if (type === "DATA") body += payload.toString("latin1");
    if (type === "RST_STREAM")
      fate = `${fate === "end" ? "end, then " : ""}${nameOf(payload.readUInt32BE())}`;
    if (type === "HEADERS") {
      const lines = fieldLines(fields);
      const code = Number(fields?.find(([name]) => name === ":status")?.[1] ?? 0);
      if (head !== undefined) trailers = lines;
      else if (code > 0 && code < 200) interims.push(lines);
      else {
        head = lines;
        status = code;
      }
    }
    if ((type === "DATA" || type === "HEADERS") && (flags & END_STREAM) !== 0) fate = "end";
  }
  return { id, interims, head: head ?? [], body, trailers, status, fate };
}

function frameLines(received: ReceivedFrame): string[] {
  const { type, flags, id, fields } = received;
  if (type === "SETTINGS" && flags === ACK) return [];
  if (type === "GOAWAY") return [showGoAway(received)];
  if (fields === undefined) return [showFrame(received)];
  return [`HEADERS ${id}${(flags & END_STREAM) === 0 ? "" : " END"}`, ...fieldLines(fields)];
}

/** A line per field. The order of pseudo fields has no meaning. */
function fieldLines(fields: ReceivedFrame["fields"]): string[] {
  if (fields === undefined) return ["(broken block)"];
  const lines = fields.map(([name, value]) => `${name}: ${value}`);
  const pseudo = lines.filter((line) => line.startsWith(":")).sort();
  return [...pseudo, ...lines.filter((line) => !line.startsWith(":"))];
}

/** Debug data is not for programs. */
function showGoAway({ payload }: ReceivedFrame): string {
  return `GOAWAY ${nameOf(payload.readUInt32BE(4))}, last stream ${payload.readUInt32BE()}`;
}

function nameOf(code: number): string {
  return ERROR_NAMES[code] ?? `error ${code}`;
}
