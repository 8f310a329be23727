import { GrpcError } from "./grpc-error.ts";
import { encodeFrame } from "./frame.ts";
import type { GrpcCall, GrpcMethod } from "./server-method.ts";
import { GRPC_STATUS } from "./status.ts";

/**
 * A method with one request and one response. `answer` gets the request, which it may keep, and returns the response's
 * bytes; it throws a GrpcError for a status, anything else is told as INTERNAL.
 */
export function unaryMethod(
  answer: (request: Buffer, call: GrpcCall) => Uint8Array | Promise<Uint8Array>,
): GrpcMethod {
  return (call) => {
    let request: Buffer | undefined;
    return {
      onMessage(message) {
        if (request === undefined) request = Buffer.from(message);
        else call.end(GRPC_STATUS.unimplemented, "more than one request on a unary call");
      },
      onEnd() {
        if (request === undefined) call.end(GRPC_STATUS.unimplemented, "no request on a unary call");
        else void respond(call, request, answer);
      },
      onClose() {},
    };
  };
}

async function respond(
  call: GrpcCall,
  request: Buffer,
  answer: (request: Buffer, call: GrpcCall) => Uint8Array | Promise<Uint8Array>,
): Promise<void> {
  try {
    call.send(encodeFrame(await answer(request, call)));
    call.end(GRPC_STATUS.ok);
  } catch (error) {
    if (error instanceof GrpcError) call.end(error.status.code, error.status.message);
    else call.end(GRPC_STATUS.internal, error instanceof Error ? error.message : String(error));
  }
}
