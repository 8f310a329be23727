import { freePort } from "../testing/free-port.ts";
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { loadOrThrow } from "../proto/load.ts";
import { create, encode } from "../proto/registry.ts";
import { TcpClient } from "../testing/tcp-client.ts";
import { BREAKER_WORDS, HOST_WORDS, type FromWorker, type ToWorker, type WorkerInit } from "./link.ts";

const LISTENER = `
name: l1
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
filter_chains:
  - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          rds: { route_config_name: r, config_source: { ads: {} } }
          http_filters:
            - name: router
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;
const ROUTES = `
name: r
virtual_hosts: [{ name: v, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: hi } } }] }]
`;

test("a worker thread serves, takes routes in, and exits when told to", async () => {
  const init: WorkerInit = {
    index: 0,
    concurrency: 1,
    bootstrap: encode("envoy.config.bootstrap.v3.Bootstrap", create("envoy.config.bootstrap.v3.Bootstrap")),
    breakers: new SharedArrayBuffer(BREAKER_WORDS * 4),
    hostStates: new SharedArrayBuffer(HOST_WORDS * 4),
    drainState: new SharedArrayBuffer(4),
    logLevels: {},
    logPath: "",
    localIp: "127.0.0.1",
  };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: init });
  const exited = once(worker, "exit");
  const tell = (message: ToWorker): void => worker.postMessage(message);
  const answer = new Promise<FromWorker>((resolve) => {
    worker.on("message", (message: FromWorker) => void (message.kind === "listening" && resolve(message)));
  });
  await once(worker, "message");
  const port = await freePort();
  const { message: listener } = loadOrThrow("envoy.config.listener.v3.Listener", LISTENER, {
    file: "l.yaml",
  });
  tell({
    kind: "listener",
    name: "l1",
    bytes: encode("envoy.config.listener.v3.Listener", listener),
    bind: [{ ip: "127.0.0.1", port, path: "" }],
  });
  assert.deepEqual(await answer, { kind: "listening", name: "l1", error: undefined });

  const client = await TcpClient.connect(port);
  await client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.waitFor((c) => c.received !== "", 2000);
  assert.match(client.received, /^HTTP\/1\.1 404 /);
  const { message: routes } = loadOrThrow("envoy.config.route.v3.RouteConfiguration", ROUTES, {
    file: "r.yaml",
  });
  tell({ kind: "routes", name: "r", bytes: encode("envoy.config.route.v3.RouteConfiguration", routes) });
  const before = client.received.length;
  await client.waitFor(() => false, 50);
  await client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.waitFor((c) => c.received.length > before, 2000);
  assert.match(client.received.slice(before), /^HTTP\/1\.1 200 [^]*hi$/);

  tell({ kind: "exit" });
  assert.deepEqual(await exited, [0]);
  client.close();
});
