import type { Context } from "hono";
import type { Fields } from "./fields.ts";

/** One call of the REST API: its route, its checks, its line in the OpenAPI document and its code. */
export interface Operation {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** With `:name` for parameters. */
  readonly path: string;
  /** Of the OpenAPI document. */
  readonly id: string;
  readonly summary: string;
  /** `open`: nobody needs a token; `write`: needs one as soon as one is configured; `read`: as `write`, if the options say so. */
  readonly access: "open" | "read" | "write";
  readonly query?: Fields;
  /** JSON body; a call without one takes none. */
  readonly body?: Fields;
  /** Fields of a form body, for the calls of lyft/discovery. */
  readonly form?: Fields;
  readonly replies: Readonly<Record<number, string>>;
  handle(context: Context): Promise<Response> | Response;
}
