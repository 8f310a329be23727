import http2, { type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { encodeFrame, FrameDecoder } from "../../src/grpc/frame.ts";
import { decode, encode, fromJson, toJson, type MessageName } from "../../src/proto/registry.ts";

const answer = z.union([
  /** Never answer. */
  z.literal("silent"),
  /** A status without a message, as a response of trailers only. */
  z.strictObject({ grpc_status: z.number(), message: z.string().default("") }),
  /** The response in JSON. */
  z.strictObject({ reply: z.record(z.string(), z.unknown()) }),
]);

/** An upstream that serves one gRPC method and records what it is asked. */
export const grpcUpstream = z.strictObject({
  grpc: z.strictObject({
    /** Types of the messages, such as `envoy.service.auth.v3.CheckRequest`. */
    request: z.string(),
    response: z.string(),
    /** To the n-th message, counted over all calls; the last one stays. */
    answers: z.array(answer).default(["silent"]),
    /** An answer does not end its call. */
    stream: z.boolean().default(false),
    /** The case does not end before it was told something. */
    awaited: z.boolean().default(false),
    /** Fields of requests that are left out of the record, as they are printed there (`*` for one part of a path). */
    omit: z.array(z.string()).default([]),
  }),
});
export type GrpcUpstreamSpec = z.infer<typeof grpcUpstream>["grpc"];

/** Serves any path; its calls are recorded as lines: the head, then each message with one line per field. */
export class GrpcUpstream {
  readonly calls: string[][] = [];
  readonly #spec: GrpcUpstreamSpec;
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #next = 0;

  private constructor(spec: GrpcUpstreamSpec) {
    this.#spec = spec;
    this.#server = http2.createServer();
    this.#server.on("session", (session) => this.#sessions.add(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, headers) => this.#serve(stream, headers));
  }

  static async start(spec: GrpcUpstreamSpec): Promise<GrpcUpstream> {
    const upstream = new GrpcUpstream(spec);
    await new Promise<void>((resolve) => void upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const lines = Object.entries(headers)
      // Pseudo fields may come in any order.
      .sort(([a], [b]) => (a.startsWith(":") && b.startsWith(":") ? a.localeCompare(b) : 0))
      .map(([name, value]) => `${name}: ${[value].flat().join(", ")}`);
    this.calls.push(lines);
    const decoder = new FrameDecoder();
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => {
      for (const bytes of decoder.push(chunk)) {
        const message = toJson(
          this.#spec.request as MessageName,
          decode(this.#spec.request as MessageName, bytes),
        );
        lines.push("message:", ...fieldLines(message).filter((line) => !this.#omitted(line)));
        this.#answer(stream);
      }
    });
  }

  #answer(stream: ServerHttp2Stream): void {
    const { answers, response } = this.#spec;
    const given = answers[Math.min(this.#next++, answers.length - 1)]!;
    if (given === "silent") return;
    const head = { ":status": 200, "content-type": "application/grpc" };
    if ("grpc_status" in given) {
      const trailers = { "grpc-status": String(given.grpc_status), "grpc-message": given.message };
      stream.respond({ ...head, ...trailers }, { endStream: true });
      return;
    }
    if (!stream.headersSent) {
      stream.respond(head, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    }
    const name = response as MessageName;
    stream.write(encodeFrame(encode(name, fromJson(name, given.reply as never))));
    if (!this.#spec.stream) stream.end();
  }

  #omitted(line: string): boolean {
    const path = line.slice(0, line.indexOf(": "));
    return this.#spec.omit.some((pattern) => {
      const parts = pattern.split(".");
      const given = path.split(".");
      return parts.length <= given.length && parts.every((part, i) => part === "*" || part === given[i]);
    });
  }
}

/** `a.b[0].c: value` for every value of a JSON document, sorted, so that the order of maps does not matter. */
function fieldLines(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => fieldLines(item, `${path}[${i}]`));
  if (typeof value !== "object" || value === null) return [`${path}: ${JSON.stringify(value)}`];
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, item]) => fieldLines(item, path === "" ? key : `${path}.${key}`));
}
