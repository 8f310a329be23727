import { BoundSocket } from "node:net";
import { ScriptedUpstream } from "../../src/testing/scripted-upstream.ts";
import type { UpstreamScript } from "../../src/testing/scripted-upstream.ts";
import type { Case, Reply, UpstreamSpec } from "./case.ts";
import { certificates } from "./certificates.ts";
import { GrpcUpstream } from "./grpc-upstream.ts";
import { transcriptOf, type H2Transcript } from "./h2/transcript.ts";
import { H2Upstream } from "./h2/upstream.ts";

/** What a connection to an upstream saw. */
export interface UpstreamRecord {
  received: string;
  fate: string;
  /** Of one that spoke HTTP/2. */
  h2?: H2Transcript;
  /** Of one that serves gRPC: what each call said. */
  calls?: readonly (readonly string[])[];
}

/** An upstream of a case: a scripted server, or a port that refuses connections. */
export interface CaseUpstream {
  port: number;
  connections(): UpstreamRecord[];
  close(): Promise<void>;
}

/** Starts what a case describes as an upstream. @param where an IP address, or the path of a pipe */
export async function startUpstream(
  spec: UpstreamSpec,
  tls?: Case["upstream_tls"][string],
  where?: string,
): Promise<CaseUpstream> {
  if (spec === "refuse") return refusing();
  if (typeof spec === "object" && "h2" in spec) {
    const server = await H2Upstream.start(spec, tls?.certificate);
    const connections = (): UpstreamRecord[] =>
      server.connections.map(({ frames, fate }) => ({ received: "", fate, h2: transcriptOf(frames) }));
    return { port: server.port, connections, close: () => server.close() };
  }
  if (typeof spec === "object" && "grpc" in spec) {
    const server = await GrpcUpstream.start(spec.grpc);
    const connections = (): UpstreamRecord[] =>
      server.calls.length === 0 ? [] : [{ received: "", fate: "any", calls: server.calls }];
    return { port: server.port, connections, close: () => server.close() };
  }
  const identity = tls && { ...certificates()[tls.certificate]!, ALPNProtocols: tls.alpn };
  const server = await ScriptedUpstream.start(scriptOf(spec), identity, where);
  const connections = (): UpstreamRecord[] =>
    server.connections.map(({ received, fate }) => ({ received, fate }));
  return { port: server.port, connections, close: () => server.close() };
}

/** A bound port that nobody listens on stays reserved and refuses connections. */
function refusing(): CaseUpstream {
  const socket = new BoundSocket({ host: "127.0.0.1", port: 0 });
  const { port } = socket.address() as { port: number };
  return { port, connections: () => [], close: async () => socket.close() };
}

function scriptOf(
  spec: Exclude<UpstreamSpec, "refuse" | { h2: unknown } | { grpc: unknown }>,
): UpstreamScript {
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
