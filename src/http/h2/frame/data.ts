import { DATA, END_STREAM, FRAME_HEADER } from "./frame-type.ts";
import type { FrameWriter } from "./frame-writer.ts";

/** Writes one DATA frame (section 6.1) with bytes[start, end), at most MAX_FRAME_SIZE of them. */
export function writeData(
  writer: FrameWriter,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
  endStream: boolean,
): void {
  writer.room(FRAME_HEADER);
  writer.header(end - start, DATA, endStream ? END_STREAM : 0, streamId);
  if (end > start) writer.payload(bytes, start, end);
}
