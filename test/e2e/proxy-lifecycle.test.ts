// What a proxy process lives through: shutdown, a crashed worker, new listeners under load, a control plane that goes.
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { listener, routesTo, staticCluster } from "../../src/testing/proxy-config.ts";
import { startProxy } from "../../src/testing/start-proxy.ts";
import { TcpClient } from "../../src/testing/tcp-client.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const ADMIN = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };
const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";
const REQUEST = "GET /direct HTTP/1.1\r\nhost: a\r\n\r\n";

test("SIGTERM lets requests finish, accepts what has connected, and exits with 0", async (t) => {
  const arrived = Promise.withResolvers<http.ServerResponse>();
  const upstream = http.createServer((_request, response) => arrived.resolve(response));
  await new Promise<void>((resolve) => void upstream.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const bootstrap = {
    admin: ADMIN,
    static_resources: {
      listeners: [listener("l", { route_config: routesTo("up") })],
      clusters: [staticCluster("up", (upstream.address() as AddressInfo).port)],
    },
  };
  const proxy = await startProxy("weft", bootstrap, { concurrency: 2 });
  t.after(() => proxy.stop());
  const port = proxy.ports.get("l")!;
  const idle = await TcpClient.connect(port);
  await ask(idle);
  const slow = await TcpClient.connect(port);
  await slow.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
  const response = await arrived.promise;
  // One connection after the other, until they are refused: whoever was connected must get an answer.
  const newcomers = Array.from({ length: 4 }, () => connectUntilRefused(port));
  await sleep(50);
  proxy.process.signal("SIGTERM");
  assert.deepEqual((await Promise.all(newcomers)).flat(), []);
  await idle.waitFor((client) => client.fate !== "open", 3000);
  assert.equal(idle.fate, "eof");
  response.end("done");
  await slow.waitFor((client) => client.fate !== "open", 3000);
  assert.match(slow.received, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*done/);
  idle.close();
  slow.close();
  assert.equal(await proxy.process.exited, 0);
});

test("listeners come, change, move and go by a file without a failed request", async (t) => {
  const folder = tempDir("lds");
  const path = join(folder, "lds.json");
  let version = 0;
  const publish = (resources: readonly object[]): void => {
    writeFileSync(`${path}.new`, JSON.stringify({ version_info: String(++version), resources }));
    renameSync(`${path}.new`, path);
  };
  const named = (name: string, answer: string, onPort = 0, more: object = {}): object => ({
    "@type": LISTENER,
    ...listener(name, { route_config: direct(answer) }, onPort),
    ...more,
  });
  publish([named("l", "one")]);
  const bootstrap = {
    node: { id: "n", cluster: "c" },
    admin: ADMIN,
    dynamic_resources: { lds_config: { path_config_source: { path } } },
  };
  const proxy = await startProxy("weft", bootstrap, { concurrency: 2 });
  t.after(() => proxy.stop());
  const port = proxy.ports.get("l")!;
  const load = new Load(port);
  await load.until((answer) => answer === "one");
  publish([named("l", "two"), named("more", "more")]);
  await load.until((answer) => answer === "two");
  await waitUntil(
    "the second listener",
    async () =>
      (await proxy.stats("total_listeners_active")).get("listener_manager.total_listeners_active") === 2,
  );
  for (let i = 0; i < 5; i++) {
    publish([named("l", `again ${i}`)]);
    await load.until((answer) => answer === `again ${i}`);
  }
  // Another address comes and goes; another listener takes the address over.
  const extra = { address: { socket_address: { address: "127.0.0.2", port_value: port } } };
  publish([named("l", "wider", port, { additional_addresses: [extra] })]);
  await load.until((answer) => answer === "wider");
  publish([named("l", "narrower", port)]);
  await load.until((answer) => answer === "narrower");
  publish([named("other", "taken over", port)]);
  await load.until((answer) => answer === "taken over");
  assert.deepEqual(await load.end(), []);

  const newcomers = Array.from({ length: 4 }, () => connectUntilRefused(port, "taken over"));
  await sleep(50);
  publish([]);
  assert.deepEqual((await Promise.all(newcomers)).flat(), []);
});

function direct(text: string): object {
  const route = { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: text } } };
  return { name: "r", virtual_hosts: [{ name: "v", domains: ["*"], routes: [route] }] };
}

/** Returns the response. */
async function ask(client: TcpClient): Promise<string> {
  const before = client.received.length;
  await client.send(REQUEST);
  await client.waitFor((c) => c.fate !== "open" || /\r\n\r\n[^]+$/.test(c.received.slice(before)), 3000);
  return client.received.slice(before);
}

/** What went wrong on connections that stood. */
async function connectUntilRefused(port: number, answers = "hi"): Promise<string[]> {
  const failed: string[] = [];
  for (;;) {
    let client: TcpClient;
    try {
      client = await TcpClient.connect(port);
    } catch {
      return failed;
    }
    const answer = await ask(client).catch((error: unknown) => String(error));
    if (!answer.includes(`\r\n\r\n${answers}`)) failed.push(`${client.fate}: ${answer}`);
    client.close();
  }
}

/** Clients that ask all the time, with connections that are kept and with new ones. */
class Load {
  readonly #port: number;
  readonly #failed: string[] = [];
  readonly #loops: Promise<void>[];
  #last = "";
  #ended = false;

  constructor(port: number) {
    this.#port = port;
    this.#loops = [this.#loop(true), this.#loop(true), this.#loop(false)];
  }

  /** Waits for an answer to a new connection. */
  async until(wanted: (answer: string) => boolean): Promise<void> {
    await waitUntil("the answer", () => wanted(this.#last));
  }

  async end(): Promise<string[]> {
    this.#ended = true;
    await Promise.all(this.#loops);
    return this.#failed;
  }

  async #loop(keeps: boolean): Promise<void> {
    let client: TcpClient | undefined;
    while (!this.#ended) {
      try {
        client ??= await TcpClient.connect(this.#port);
        const answer = await ask(client);
        if (!answer.startsWith("HTTP/1.1 200")) this.#failed.push(`${client.fate}: ${answer}`);
        if (!keeps) this.#last = answer.slice(answer.indexOf("\r\n\r\n") + 4);
        if (!keeps || /connection: close/.test(answer) || client.fate !== "open") {
          client.close();
          client = undefined;
        }
      } catch (error) {
        this.#failed.push(String(error));
        client = undefined;
      }
      await sleep(1);
    }
    client?.close();
  }
}
