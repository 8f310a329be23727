import type { StreamHandler } from "../../../http/stream.ts";

/** Receives nothing: whoever takes a pool's stream sets its handler at once. */
export const NOBODY: StreamHandler = {
  onInterim() {},
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onCodecError() {},
  onDrain() {},
};
