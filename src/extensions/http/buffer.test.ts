import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, test } from "node:test";
import { ScriptedUpstream } from "../../testing/scripted-upstream.ts";
import { TcpClient } from "../../testing/tcp-client.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";

const closers: (() => unknown)[] = [];
after(() => Promise.all(closers.map((close) => close())));

async function start(): Promise<{ port: number; upstream: ScriptedUpstream }> {
  const reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup";
  const upstream = await ScriptedUpstream.start([[{ expect: "request" }, { send: reply }, { repeat: true }]]);
  const harness = new WorkerHarness();
  closers.push(
    () => upstream.close(),
    () => harness.close(),
  );
  harness.cluster("name: up\nconnect_timeout: 1s", [upstream.port]);
  const port = await harness.listen(`
name: l1
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
filter_chains:
  - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts: [{ name: v, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: up } }] }]
          http_filters:
            - name: buffer
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
                max_request_bytes: 10
            - name: router
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`);
  return { port, upstream };
}

test("bufferFilter sends a chunked request on when it is complete, with its length", async () => {
  const { port, upstream } = await start();
  const client = await TcpClient.connect(port);
  await client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
  await sleep(30);
  assert.equal(upstream.connections.length, 0);
  await client.send("3\r\nyou\r\n0\r\n\r\n");
  await client.waitFor((c) => c.received !== "", 1500);
  client.close();
  assert.match(client.received, /^HTTP\/1\.1 200 /);
  assert.match(upstream.connections[0]!.received, /\r\ncontent-length: 8\r\n[^]*\r\n\r\nhelloyou$/);
});

test("bufferFilter refuses what is too long", async () => {
  const { port } = await start();
  const client = await TcpClient.connect(port);
  await client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world");
  await client.waitFor((c) => c.received !== "", 1500);
  client.close();
  assert.match(client.received, /^HTTP\/1\.1 413 Payload Too Large\r\n[^]*connection: close\r\n/);
});
