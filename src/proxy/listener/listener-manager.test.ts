import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TcpClient } from "../../testing/tcp-client.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";

const harnesses: WorkerHarness[] = [];
after(() => harnesses.forEach((harness) => harness.close()));

function chain(body: string, match = ""): string {
  return `
  - name: ${body}
    ${match === "" ? "" : `filter_chain_match: ${match}`}
    filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts:
              - { name: v, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: "${body}" } } }] }
          http_filters:
            - name: router
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }`;
}

function listener(...chains: string[]): string {
  return `
name: l1
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
filter_chains:${chains.join("")}
`;
}

function harness(): WorkerHarness {
  const made = new WorkerHarness();
  harnesses.push(made);
  return made;
}

async function ask(client: TcpClient): Promise<string> {
  const before = client.received.length;
  await client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.waitFor((c) => c.fate !== "open" || (c.received.length > before && c.quietFor > 30), 1000);
  return client.received.slice(before);
}

test("ListenerManager.apply() swaps filter chains under open connections", async () => {
  const worker = harness();
  const port = await worker.listen(listener(chain("one")));
  const idle = await TcpClient.connect(port);
  assert.match(await ask(idle), /one$/);
  assert.equal(await worker.listen(listener(chain("two"))), port);
  const fresh = await TcpClient.connect(port);
  assert.match(await ask(fresh), /two$/);
  // A request may have been on its way on the idle connection: it is answered by the old chains, then told to go.
  assert.match(await ask(idle), /connection: close\r\n\r\none$/);
  await waitUntil("the old connection to close", () => idle.fate !== "open");
  assert.equal(idle.fate, "eof");
  fresh.close();
});

test("ListenerManager.apply() leaves connections alone whose filter chain stays, until their version goes", async () => {
  const worker = harness();
  const local = "{ source_type: SAME_IP_OR_LOOPBACK }";
  const external = "{ source_type: EXTERNAL }";
  const port = await worker.listen(listener(chain("near", local), chain("far", external)));
  const client = await TcpClient.connect(port);
  await ask(client);
  await worker.listen(listener(chain("near", local), chain("farther", external)));
  assert.doesNotMatch(await ask(client), /connection: close/);
  await worker.listen(listener(chain("nearer", local), chain("farther", external)));
  assert.match(await ask(client), /connection: close\r\n\r\nnear$/);
  const fresh = await TcpClient.connect(port);
  assert.match(await ask(fresh), /nearer$/);
  // More than filter chains changes.
  await worker.listen(
    `${listener(chain("nearer", local), chain("farther", external))}per_connection_buffer_limit_bytes: 100000\n`,
  );
  assert.match(await ask(fresh), /connection: close\r\n\r\nnearer$/);
});

test("a version that is drained leaves nothing on the timer wheel", async () => {
  const worker = harness();
  const port = await worker.listen(listener(chain("one")));
  const client = await TcpClient.connect(port);
  await ask(client);
  assert.notEqual(worker.runtime.factory.wheel.size, 0);
  await worker.listen(listener(chain("two")));
  await ask(client);
  await waitUntil("the timers to go", () => worker.runtime.factory.wheel.size === 0);
});

function refuses(port: number): Promise<boolean> {
  return TcpClient.connect(port).then(
    (client) => {
      client.close();
      return false;
    },
    () => true,
  );
}

test("ListenerManager.remove() finishes what is under way and says when it is drained", async () => {
  const worker = harness();
  const port = await worker.listen(listener(chain("one")));
  const busy = await TcpClient.connect(port);
  await busy.send("GET / HTTP/1.1\r\nho");
  await waitUntil("the request", () => worker.stat("http.in.downstream_rq_active") === 1);
  const drained = worker.next("drained");
  worker.send({ kind: "remove-listener", name: "l1", drainMs: 5000 });
  await waitUntil("new connections to be refused", () => refuses(port));
  await busy.send("st: a\r\n\r\n");
  await busy.waitFor((c) => c.fate !== "open", 1500);
  assert.match(busy.received, /connection: close\r\n\r\none$/);
  busy.close();
  assert.deepEqual(await drained, { kind: "drained", name: "l1" });
});

test("ListenerManager.remove() cuts connections when the drain time is over", async () => {
  const worker = harness();
  const port = await worker.listen(listener(chain("one")));
  const busy = await TcpClient.connect(port);
  await busy.send("GET / HTTP/1.1\r\nho");
  await waitUntil("the request", () => worker.stat("http.in.downstream_rq_active") === 1);
  const drained = worker.next("drained");
  worker.send({ kind: "remove-listener", name: "l1", drainMs: 30 });
  await drained;
  await waitUntil("the cut", () => busy.fate !== "open");
});

test("filter chains are found by the most specific match; nothing fits: reset", async () => {
  const worker = harness();
  const port = await worker.listen(
    listener(
      chain("wide", "{ source_prefix_ranges: [{ address_prefix: 127.0.0.0, prefix_len: 8 }] }"),
      chain("narrow", "{ source_prefix_ranges: [{ address_prefix: 127.0.0.1, prefix_len: 32 }] }"),
    ),
  );
  const client = await TcpClient.connect(port);
  assert.match(await ask(client), /narrow$/);
  client.close();
  const other = await harness().listen(listener(chain("far", "{ source_type: EXTERNAL }")));
  // The reset may come before the client knows that it is connected.
  const fate = await TcpClient.connect(other).then(
    (client) => waitUntil("the reset", () => client.fate !== "open" && client.fate),
    (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? "reset" : error.code),
  );
  assert.equal(fate, "reset");
});

const refused: readonly [name: string, yaml: string, message: RegExp][] = [
  ["twin chains", listener(chain("a"), chain("b")), /filter chain 'b' has the same matching rules defined as 'a'/],
  ["TLS", listener(chain("a") + "\n    transport_socket: { name: tls }"), /transport_socket .tls.: typed_config must be set/],
  ["no chain", "name: l1\naddress: { socket_address: { address: 127.0.0.1, port_value: 0 } }", /no filter chains specified/],
  ["no terminal filter", listener(chain("a").replace(/ {10}http_filters:[^]*/, "")), /needs a terminal filter/],
]; // prettier-ignore
for (const [name, yaml, message] of refused) {
  test(`ListenerManager.apply() refuses: ${name}`, async () => {
    await assert.rejects(harness().listen(yaml), message);
  });
}

test("ListenerManager.apply() gives each listener on port 0 a socket of its own", async () => {
  const worker = harness();
  const first = await worker.listen(listener(chain("one")));
  const second = await worker.listen(listener(chain("two")).replace("name: l1", "name: l2"));
  assert.notEqual(first, second);
  for (const [port, body] of [
    [first, /one$/],
    [second, /two$/],
  ] as const) {
    const client = await TcpClient.connect(port);
    assert.match(await ask(client), body);
    client.close();
  }
});
