import type { StreamHandler } from "../../http/stream.ts";

/** Takes what a codec still says of a stream that is over. */
export const discardHandler: StreamHandler = {
  onInterim: (_status, headers) => headers.release(),
  onHeaders: (headers) => headers.release(),
  onData() {},
  onTrailers: (trailers) => trailers.release(),
  onReset() {},
  onCodecError() {},
  onDrain() {},
};
