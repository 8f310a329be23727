import {
  block,
  END_HEADERS,
  END_STREAM,
  ERROR_NAMES,
  frame,
  settings,
  uint32,
} from "../../../src/testing/h2-frames.ts";
import type { H2Action } from "./schema.ts";

type Fields = [string, string][];

const LARGEST = 16_384;

/** The frames of an action on stream `id`; empty for one that sends nothing. */
export function encodeAction(action: H2Action, id: number, scheme: string): Buffer {
  const { get, request, open, status, fields, data, trailers } = action;
  if (get !== undefined) return message(action, id, pseudo(`GET ${get}`, scheme));
  if (request !== undefined) return message(action, id, pseudo(request, scheme));
  if (status !== undefined) return message(action, id, [[":status", String(status)]]);
  if (open !== undefined) return headFrames(id, parse(open), action.end ?? true);
  if (fields !== undefined) return headFrames(id, parse(fields), action.end ?? false);
  if (data !== undefined) return dataFrames(id, data, action.end ?? false);
  if (trailers !== undefined) return headFrames(id, parse(trailers), action.end ?? true);
  if (action.reset !== undefined) return frame("RST_STREAM", 0, id, uint32(codeOf(action.reset)));
  if (action.goaway !== undefined) return frame("GOAWAY", 0, 0, uint32(action.last, codeOf(action.goaway)));
  if (action.ping !== undefined) return frame("PING", 0, 0, action.ping);
  if (action.settings !== undefined) return settings(action.settings as Record<number, number>);
  if (action.window !== undefined)
    return frame("WINDOW_UPDATE", 0, action.stream ?? 0, uint32(action.window));
  if (action.frame !== undefined) {
    const { type, flags, payload } = action.frame;
    const bytes = payload.startsWith("text:")
      ? Buffer.from(payload.slice(5), "latin1")
      : Buffer.from(payload.replaceAll(" ", ""), "hex");
    return frame(type, flags, action.stream ?? (type === "SETTINGS" || type === "PING" ? 0 : id), bytes);
  }
  return Buffer.from(action.bytes ?? "", "latin1");
}

/** A head with body and trailers as the action has them; headers that begin with ":" replace pseudo fields. */
function message(action: H2Action, id: number, start: Fields): Buffer {
  const { body, trailers } = action;
  const more = parse(action.headers);
  const named = new Set(more.map(([name]) => name));
  const head = start.filter(([name]) => !named.has(name));
  head.push(...more.filter(([name]) => name.startsWith(":")));
  head.push(...more.filter(([name]) => !name.startsWith(":")));
  const end = action.end ?? true;
  const parts = [headFrames(id, head, end && body === undefined && trailers === undefined)];
  if (body !== undefined) parts.push(dataFrames(id, body, end && trailers === undefined));
  if (trailers !== undefined) parts.push(headFrames(id, parse(trailers), end));
  return Buffer.concat(parts);
}

function pseudo(request: string, scheme: string): Fields {
  const space = request.indexOf(" ");
  return [
    [":method", request.slice(0, space)],
    [":scheme", scheme],
    [":authority", "test"],
    [":path", request.slice(space + 1)],
  ];
}

function parse(lines: readonly string[]): Fields {
  return lines.map((line) => {
    const colon = line.indexOf(":", 1);
    if (colon < 0) return [line, ""];
    const value = line.slice(colon + 1);
    return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
  });
}

function headFrames(id: number, fields: Fields, end: boolean): Buffer {
  const bytes = block(fields);
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += LARGEST) {
    const flags = at + LARGEST >= bytes.length ? END_HEADERS : 0;
    const piece = bytes.subarray(at, at + LARGEST);
    parts.push(
      at === 0
        ? frame("HEADERS", flags | (end ? END_STREAM : 0), id, piece)
        : frame("CONTINUATION", flags, id, piece),
    );
  }
  return Buffer.concat(parts);
}

function dataFrames(id: number, text: string, end: boolean): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < text.length; at += LARGEST) {
    const last = at + LARGEST >= text.length;
    parts.push(frame("DATA", last && end ? END_STREAM : 0, id, text.slice(at, at + LARGEST)));
  }
  return Buffer.concat(parts);
}

function codeOf(error: string | number): number {
  return typeof error === "number" ? error : (ERROR_NAMES as readonly string[]).indexOf(error);
}
