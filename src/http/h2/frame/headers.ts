import {
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER,
  HEADERS,
  MAX_FRAME_SIZE,
} from "./frame-type.ts";
import { writeFrameHeader, type FrameWriter } from "./frame-writer.ts";

/**
 * Completes the HEADERS frame whose field block has been written after `writer.beginFrame()` (section 6.2); what does not
 * fit goes into CONTINUATION frames (section 6.10). Returns the bytes on the wire.
 */
export function endHeaders(writer: FrameWriter, streamId: number, endStream: boolean): number {
  const flags = endStream ? END_STREAM : 0;
  const length = writer.at - writer.openFrame - FRAME_HEADER;
  if (writer.blocked) writer.blockedFrames++;
  if (length <= MAX_FRAME_SIZE) {
    writeFrameHeader(writer.buffer, writer.openFrame, length, HEADERS, flags | END_HEADERS, streamId);
    writer.endFrame();
    return length + FRAME_HEADER;
  }
  const more = Math.ceil(length / MAX_FRAME_SIZE) - 1;
  writer.room(more * FRAME_HEADER);
  const { buffer } = writer;
  const first = writer.openFrame;
  const blockEnd = first + FRAME_HEADER + length;
  // From the back, so that nothing is overwritten before it has moved.
  for (let piece = more; piece > 0; piece--) {
    const from = first + FRAME_HEADER + piece * MAX_FRAME_SIZE;
    const end = Math.min(from + MAX_FRAME_SIZE, blockEnd);
    const to = from + piece * FRAME_HEADER;
    buffer.copyWithin(to, from, end);
    const last = piece === more ? END_HEADERS : 0;
    writeFrameHeader(buffer, to - FRAME_HEADER, end - from, CONTINUATION, last, streamId);
  }
  writeFrameHeader(buffer, first, MAX_FRAME_SIZE, HEADERS, flags, streamId);
  writer.at = blockEnd + more * FRAME_HEADER;
  writer.endFrame();
  return length + (more + 1) * FRAME_HEADER;
}
