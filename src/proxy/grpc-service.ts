import { GrpcClient } from "../grpc/client.ts";
import type { AsyncStreams } from "../http/async-stream.ts";
import type { Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";

type GrpcService = Messages["envoy.config.core.v3.GrpcService"];

/** What is read of gRPC services. */
export const grpcServiceLedger: Ledger = {
  "envoy.config.core.v3.GrpcService": ["envoy_grpc", "initial_metadata", "timeout"],
  "envoy.config.core.v3.GrpcService.EnvoyGrpc": [
    "cluster_name",
    "authority",
    "max_receive_message_length",
    "skip_envoy_headers",
  ],
  "envoy.config.core.v3.HeaderValue": ["key", "value"],
};

/** The cluster that a service is called over. Throws an Error if it is not called over one. */
export function clusterOf(service: GrpcService): string {
  const { targetSpecifier: target } = service;
  if (target.case !== "envoyGrpc") throw new Error("grpc_service: only envoy_grpc is supported");
  return target.value.clusterName;
}

/**
 * The client of a service.
 * @param timeout milliseconds that a call may take; 0 = no limit
 * @param localIp what the service reads as the address of the caller
 */
export function grpcClient(
  service: GrpcService,
  timeout: number,
  streams: AsyncStreams,
  localIp: string,
): GrpcClient {
  const cluster = clusterOf(service);
  const target = service.targetSpecifier as Extract<typeof service.targetSpecifier, { case: "envoyGrpc" }>;
  const { authority, maxReceiveMessageLength, skipEnvoyHeaders } = target.value;
  const metadata = service.initialMetadata.map(({ key, value }) => [key.toLowerCase(), value] as const);
  const own: (readonly [string, string])[] = [
    ["x-envoy-internal", "true"],
    ["x-forwarded-for", localIp],
  ];
  if (timeout > 0) own.push(["x-envoy-expected-rq-timeout-ms", String(timeout)]);
  return new GrpcClient(streams, {
    cluster,
    ...(authority === "" ? {} : { authority }),
    metadata: skipEnvoyHeaders ? metadata : [...metadata, ...own],
    timeout,
    ...(maxReceiveMessageLength === undefined ? {} : { maxMessage: maxReceiveMessageLength }),
  });
}
