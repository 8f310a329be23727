import type { ErrorCode } from "../error-code.ts";
import { ACK, FRAME_HEADER, GOAWAY, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE } from "./frame-type.ts";
import type { FrameWriter } from "./frame-writer.ts";

// The small frames that steer a connection.

/** SETTINGS (section 6.5) from identifiers and values in turn. */
export function writeSettings(writer: FrameWriter, pairs: readonly number[]): void {
  const length = pairs.length * 3;
  begin(writer, length, SETTINGS, 0, 0);
  for (let i = 0; i < pairs.length; i += 2) {
    writer.buffer[writer.at++] = pairs[i]! >>> 8;
    writer.buffer[writer.at++] = pairs[i]!;
    writer.uint32(pairs[i + 1]!);
  }
}

export function writeSettingsAck(writer: FrameWriter): void {
  begin(writer, 0, SETTINGS, ACK, 0);
}

/** PING (section 6.7) with eight bytes of payload made of two integers. */
export function writePing(writer: FrameWriter, high: number, low: number): void {
  begin(writer, 8, PING, 0, 0);
  writer.uint32(high);
  writer.uint32(low);
}

/** Answers the PING whose payload begins at `start`. */
export function writePingAck(writer: FrameWriter, bytes: Buffer, start: number): void {
  begin(writer, 8, PING, ACK, 0);
  for (let i = 0; i < 8; i++) writer.buffer[writer.at++] = bytes[start + i]!;
}

/** RST_STREAM (section 6.4). */
export function writeRstStream(writer: FrameWriter, streamId: number, code: ErrorCode): void {
  begin(writer, 4, RST_STREAM, 0, streamId);
  writer.uint32(code);
}

/** GOAWAY (section 6.8) without debug data. */
export function writeGoAway(writer: FrameWriter, lastStreamId: number, code: ErrorCode): void {
  writer.room(FRAME_HEADER + 8);
  writer.header(8, GOAWAY, 0, 0);
  writer.uint32(lastStreamId);
  writer.uint32(code);
}

/** WINDOW_UPDATE (section 6.9); stream 0 is the connection. */
export function writeWindowUpdate(writer: FrameWriter, streamId: number, increment: number): void {
  writer.room(FRAME_HEADER + 4);
  writer.header(4, WINDOW_UPDATE, 0, streamId);
  writer.uint32(increment);
}

/** Begins a frame that a peer can provoke: these are counted until they are written. */
function begin(writer: FrameWriter, length: number, type: number, flags: number, streamId: number): void {
  writer.room(FRAME_HEADER + length);
  writer.header(length, type, flags, streamId);
  writer.controlFrames++;
}
