import { isGrpcContentType } from "../../grpc/content-type.ts";
import { httpOfStatus } from "../../grpc/status.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { HeaderMap } from "../api.ts";

const CONTENT_TYPE = knownHeaderId("content-type");
const GRPC_STATUS = knownHeaderId("grpc-status");

/**
 * The status that says how a host did: of a gRPC call that failed without an answer, what stands for its grpc-status.
 * One in trailers comes too late to be judged (as in Envoy).
 */
export function answeredStatus(request: HeaderMap, response: HeaderMap): number {
  const status = response.getId(GRPC_STATUS);
  if (status === undefined || !isGrpcContentType(request.getId(CONTENT_TYPE))) return response.status;
  return httpOfStatus(Number(status));
}
