import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import type { TestContext } from "node:test";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import type { ProxyKind } from "../../src/testing/start-proxy.ts";
import { makeIdentity, SERVER_NAME, startInteropSite, type Identity } from "./grpc-interop-site.ts";

// gRPC's own interoperability client and server (in Go), with a proxy between them: every case that needs no cloud.

const CASES = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "status_code_and_message",
  "special_status_message",
  "custom_metadata",
  "unimplemented_method",
  "unimplemented_service",
];
const CLIENT = "grpc-interop-client";

/** Undefined when the case passes, else what the client says. */
function run(name: string, port: number, tls: Identity | undefined): Promise<string | undefined> {
  const args = ["-server_host", "127.0.0.1", "-server_port", String(port), "-test_case", name];
  if (tls !== undefined)
    args.push("-use_tls", "-ca_file", tls.ca, "-server_host_override", SERVER_NAME, "-use_test_ca");
  return new Promise((resolve) => {
    execFile(findPeer(CLIENT)!, args, { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve(error === null ? undefined : `${error.message}\n${stdout}${stderr}`),
    );
  });
}

async function check(context: TestContext, kind: ProxyKind, tls: Identity | undefined): Promise<void> {
  const port = await startInteropSite(context, kind, tls);
  for (const name of CASES) {
    const failure = await run(name, port, tls);
    assert.equal(failure, undefined, `${name} through ${kind}: ${failure}`);
  }
}

for (const kind of ["envoy", "weft"] as const) {
  for (const secure of [false, true]) {
    peerTest(
      `gRPC's interoperability cases pass through ${kind}${secure ? " with TLS on both sides" : ""}`,
      [CLIENT, "grpc-interop-server", ...(kind === "envoy" ? (["envoy"] as const) : [])],
      (context) => check(context, kind, secure ? makeIdentity() : undefined),
    );
  }
}
