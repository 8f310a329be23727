import { z } from "zod";
import { ERROR_NAMES, FRAME_NAMES } from "../../../src/testing/h2-frames.ts";
import { longText } from "../long-text.ts";

const fields = z.array(longText);
const errorName = z.union([z.enum(ERROR_NAMES), z.number()]);

/**
 * One thing that an end of an HTTP/2 connection does. Fields are `name: value`, written as they are. The stream is by default
 * the one opened last (client) or the one that the script answers (upstream); a request opens the next one.
 */
export const h2Action = z.strictObject({
  /** Client: a GET of this path, or "METHOD /path", with `headers`, `body` and `trailers`. */
  get: z.string().optional(),
  request: z.string().optional(),
  /** Upstream: a response with `headers`, `body` and `trailers`. */
  status: z.number().optional(),
  headers: fields.default([]),
  body: longText.optional(),
  trailers: fields.optional(),
  /** Client: a new stream whose head has exactly these fields. */
  open: fields.optional(),
  /** HEADERS with exactly these fields on a stream that is open. */
  fields: fields.optional(),
  data: longText.optional(),
  reset: errorName.optional(),
  goaway: errorName.optional(),
  /** Of `goaway`: the last stream that was taken. */
  last: z.number().default(2 ** 31 - 1),
  /** Eight characters. */
  ping: z.string().optional(),
  /** As a client's first action, it takes the place of the empty settings that are sent otherwise. */
  settings: z.record(z.string(), z.number()).optional(),
  window: z.number().optional(),
  /** Any frame; the payload is hexadecimal, or text after "text:". */
  frame: z
    .strictObject({
      type: z.union([z.enum(FRAME_NAMES), z.number()]),
      flags: z.number().default(0),
      payload: longText.default(""),
    })
    .optional(),
  /** Bytes that are no frame. As a client's first action they also take the place of the preface. */
  bytes: longText.optional(),
  /** Whether the action ends our side of its stream, where that is not clear. */
  end: z.boolean().optional(),
  stream: z.number().optional(),
  times: z.number().default(1),
  /** Milliseconds to wait. */
  pause: z.number().optional(),
  /** Waits for the head or the whole of the peer's message on the stream, or for this regular expression in its data. */
  expect: z.enum(["head", "message"]).optional(),
  match: z.string().optional(),
  /** Ends the connection. */
  close: z.enum(["close", "reset", "half"]).optional(),
});
export type H2Action = z.infer<typeof h2Action>;

/** An upstream that speaks HTTP/2. */
export const h2Upstream = z.strictObject({
  h2: z.union([
    z.literal("ok"),
    /** The same for each stream. */
    h2Action,
    /** What is done on the n-th stream, counted over all connections; the last one stays. A script that does not begin with `expect` begins with the whole request. */
    z.array(z.union([h2Action, z.array(h2Action)])),
  ]),
  settings: z.record(z.string(), z.number()).default({}),
  /** Answers PINGs. */
  pong: z.boolean().default(true),
});
export type H2UpstreamSpec = z.infer<typeof h2Upstream>;
