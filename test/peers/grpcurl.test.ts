import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { TestContext } from "node:test";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import type { ProxyKind } from "../../src/testing/start-proxy.ts";
import { makeIdentity, SERVER_NAME, startInteropSite, type Identity } from "./grpc-interop-site.ts";

// grpcurl, the tool that people have at hand, with a proxy between it and a server.

/** One call as a user makes it, and what must be printed. */
interface Call {
  readonly method: string;
  /** Messages, one JSON object after the other. */
  readonly send: string;
  readonly sizes: readonly number[];
  readonly fails?: RegExp;
}

const CALLS: readonly Call[] = [
  { method: "EmptyCall", send: "{}", sizes: [0] },
  { method: "UnaryCall", send: '{"responseSize": 70000}', sizes: [70_000] },
  {
    method: "StreamingOutputCall",
    send: '{"responseParameters": [{"size": 1}, {"size": 2000}, {"size": 30}]}',
    sizes: [1, 2000, 30],
  },
  {
    method: "FullDuplexCall",
    send: '{"responseParameters": [{"size": 5}]} {"responseParameters": [{"size": 6}, {"size": 7}]}',
    sizes: [5, 6, 7],
  },
  {
    method: "UnaryCall",
    send: '{"responseStatus": {"code": 9, "message": "not now"}}',
    sizes: [],
    fails: /Code: FailedPrecondition\s+Message: not now/,
  },
];
async function check(context: TestContext, kind: ProxyKind, tls: Identity | undefined): Promise<void> {
  const port = await startInteropSite(context, kind, tls);
  for (const call of CALLS) {
    const printed = await grpcurl(port, call, tls);
    const what = `${call.method} through ${kind}: ${printed.errors}`;
    assert.equal(printed.code === 0, call.fails === undefined, what);
    if (call.fails !== undefined) assert.match(printed.errors, call.fails);
    assert.deepEqual(sizesIn(printed.text), call.sizes, what);
  }
}

async function grpcurl(
  port: number,
  { method, send }: Call,
  tls: Identity | undefined,
): Promise<{ code: number | null; text: string; errors: string }> {
  const transport = tls === undefined ? ["-plaintext"] : ["-cacert", tls.ca, "-servername", SERVER_NAME];
  const proto = ["-import-path", import.meta.dirname, "-proto", "grpcurl.proto"];
  const child = spawn(findPeer("grpcurl")!, [
    ...transport,
    ...proto,
    "-max-time",
    "20",
    "-d",
    "@",
    `127.0.0.1:${port}`,
    `grpc.testing.TestService/${method}`,
  ]);
  let [text, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
  child.stdin.end(send);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, text, errors };
}

/** Bytes of each message that grpcurl printed; they are objects one after the other. */
function sizesIn(text: string): number[] {
  const messages = JSON.parse(`[${text.trim().replaceAll(/}\s*{/g, "}, {")}]`) as {
    payload?: { body?: string };
  }[];
  return messages.map(({ payload }) => Buffer.from(payload?.body ?? "", "base64").length);
}

for (const kind of ["envoy", "weft"] as const) {
  for (const secure of [false, true]) {
    peerTest(
      `grpcurl calls through ${kind}${secure ? " with TLS on both sides" : ""}`,
      ["grpcurl", "grpc-interop-server", ...(kind === "envoy" ? (["envoy"] as const) : [])],
      (context) => check(context, kind, secure ? makeIdentity() : undefined),
    );
  }
}
