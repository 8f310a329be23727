import { END_STREAM } from "./h2-frames.ts";
import { H2Reader, type ReceivedFrame } from "./h2-reader.ts";

/** What a peer wrote, a line per frame; field blocks are decoded. */
export class FrameLog {
  readonly #reader = new H2Reader();
  #lines: string[] = [];

  add(bytes: Buffer): void {
    this.#lines.push(...this.#reader.feed(bytes).map(showFrame));
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.#lines.splice(0);
  }
}

const METADATA = 0x4d;

/** A frame as a line; the flag 1 is shown as END or ACK. */
export function showFrame({ type, flags, id, payload, lengths, fields }: ReceivedFrame): string {
  const flagged = (flags & END_STREAM) !== 0;
  const end = flagged ? " END" : "";
  switch (type) {
    case "DATA":
      return `${type} ${id} ${payload.toString("latin1")}${end}`;
    case "HEADERS": {
      if (lengths.length > 1) return `${type} ${id} in frames of ${lengths.join(", ")} bytes${end}`;
      const shown = fields?.map(([name, value]) => `${name}=${value}`).join(" ");
      return `${type} ${id} ${shown ?? "(broken)"}${end}`;
    }
    case "RST_STREAM":
      return `${type} ${id} ${payload.readUInt32BE()}`;
    case "SETTINGS":
      return flagged ? `${type} ACK` : `${type} ${showSettings(payload)}`;
    case "PING":
      return `${type}${flagged ? " ACK" : ""} ${payload.toString("hex")}`;
    case "GOAWAY":
      return `${type} ${payload.readUInt32BE()} ${payload.readUInt32BE(4)}`;
    case "WINDOW_UPDATE":
      return `${type} ${id} ${payload.readUInt32BE()}`;
    case METADATA:
      return `METADATA ${id} ${flags} ${payload.toString("latin1")}`;
    default:
      return `${typeof type === "number" ? `TYPE-${type}` : type} ${id} ${payload.length} bytes`;
  }
}

function showSettings(payload: Buffer): string {
  const pairs: string[] = [];
  for (let at = 0; at < payload.length; at += 6)
    pairs.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
  return pairs.join(" ");
}
