import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { GrpcServer } from "../../grpc/server.ts";
import type { GrpcCall } from "../../grpc/server-method.ts";
import { decode, type MessageOf } from "../../proto/registry.ts";
import { loadOrThrow } from "../../proto/load.ts";
import type { AccessLogContext, ConnectionInfo } from "../../proxy/api.ts";
import { StreamInfo } from "../../proxy/stream-info.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { httpGrpcAccessLog } from "./http-grpc-access-log.ts";

const MESSAGE = "envoy.service.accesslog.v3.StreamAccessLogsMessage";
type Message = MessageOf<typeof MESSAGE>;

async function start(t: { after(what: () => void): void }, config: string) {
  const messages: Message[] = [];
  const calls: GrpcCall[] = [];
  const server = new GrpcServer();
  server.register("/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs", (call) => {
    calls.push(call);
    return {
      onMessage: (bytes) => messages.push(decode(MESSAGE, Buffer.from(bytes))),
      onEnd() {},
      onClose() {},
    };
  });
  const clock = new FakeClock();
  const clusters = new TestClusters({ clock });
  clusters.http2("als", await server.listen("127.0.0.1", 0));
  const { message } = loadOrThrow(httpGrpcAccessLog.config, config, { file: "log.yaml" });
  const sink = httpGrpcAccessLog.create(message, clusters.factory as AccessLogContext);
  t.after(() => {
    clusters.close();
    server.close();
  });
  const log = (): void => {
    const info = new StreamInfo();
    info.connection = { directRemoteAddress: "127.0.0.1:5", localAddress: "127.0.0.1:80" } as ConnectionInfo;
    info.responseCode = 200;
    sink.log(info);
  };
  const entries = (): number =>
    messages.reduce((sum, { logEntries }) => {
      return sum + (logEntries.case === "httpLogs" ? logEntries.value.logEntry.length : 0);
    }, 0);
  const stat = (name: string): number => {
    clusters.stats.flush();
    return clusters.merged.snapshot().counters.get(`access_logs.grpc_access_log.${name}`) ?? 0;
  };
  return { clock, sink, log, messages, calls, entries, stat };
}

const CONFIG = "common_config: { log_name: l, grpc_service: { envoy_grpc: { cluster_name: als } }";

test("httpGrpcAccessLog sends what it has at each interval, on one stream that says once whose it is", async (t) => {
  const { clock, log, messages, calls, entries, stat } = await start(t, `${CONFIG} }`);
  log();
  log();
  clock.advance(999);
  assert.equal(messages.length, 0);
  clock.advance(10);
  await waitUntil("both entries", () => entries() === 2);
  assert.equal(messages[0]!.identifier?.logName, "l");
  assert.equal(messages[0]!.identifier?.node?.id, "test");
  log();
  clock.advance(1010);
  await waitUntil("the third", () => entries() === 3);
  assert.deepEqual([messages.length, calls.length, messages[1]!.identifier], [2, 1, undefined]);
  assert.equal(stat("logs_written"), 3);
});

test("httpGrpcAccessLog sends at once what fills its buffer, and opens a new stream after a broken one", async (t) => {
  const { clock, log, messages, calls, entries } = await start(t, `${CONFIG}, buffer_size_bytes: 1 }`);
  log();
  await waitUntil("an entry", () => entries() === 1);
  calls[0]!.end(14, "going away");
  await waitUntil("a new stream", () => {
    log();
    clock.advance(10);
    return calls.length === 2 && messages.at(-1)!.identifier !== undefined;
  });
});
