import { BoundSocket } from "node:net";
import { ScriptedUpstream } from "../../src/testing/scripted-upstream.ts";
import type { UpstreamScript } from "../../src/testing/scripted-upstream.ts";
import type { Reply, UpstreamSpec } from "./case.ts";

/** An upstream of a case: a scripted server, or a port that refuses connections. */
export interface CaseUpstream {
  port: number;
  server: ScriptedUpstream | undefined;
  close(): Promise<void>;
}

/** Starts what a case describes as an upstream. */
export async function startUpstream(spec: UpstreamSpec): Promise<CaseUpstream> {
  if (spec === "refuse") return refusing();
  const server = await ScriptedUpstream.start(scriptOf(spec));
  return { port: server.port, server, close: () => server.close() };
}

/** A bound port that nobody listens on stays reserved and refuses connections. */
function refusing(): CaseUpstream {
  const socket = new BoundSocket({ host: "127.0.0.1", port: 0 });
  const { port } = socket.address() as { port: number };
  return { port, server: undefined, close: async () => socket.close() };
}

function scriptOf(spec: Exclude<UpstreamSpec, "refuse">): UpstreamScript {
  if (spec === "silent") return [[{ expect: "request" }]];
  if (spec === "ok") return answering([{ status: "200 OK", headers: [], body: "ok" }]);
  if ("connections" in spec) return spec.connections;
  return answering("replies" in spec ? spec.replies : [spec]);
}

function answering(replies: readonly Reply[]): UpstreamScript {
  return [[{ expect: "request" }, { sendNext: replies.map(bytesOf) }, { repeat: true }]];
}

function bytesOf(reply: Reply): string {
  if ("bytes" in reply) return reply.bytes;
  const head = [`HTTP/1.1 ${reply.status}`, ...reply.headers, `content-length: ${reply.body.length}`];
  return `${head.join("\r\n")}\r\n\r\n${reply.body}`;
}
