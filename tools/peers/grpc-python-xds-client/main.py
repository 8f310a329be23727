"""A gRPC client of its own process that finds its servers by xDS. Usage: TARGET; prints one answer a line."""

import sys
import time

import grpc

channel = grpc.insecure_channel(sys.argv[1])
call = channel.unary_unary("/test.Name/Get", request_serializer=None, response_deserializer=None)
while True:
    try:
        print(call(b"", timeout=5).decode(), flush=True)
    except grpc.RpcError as error:
        print("error", error.code(), error.details(), flush=True)
    time.sleep(0.005)
