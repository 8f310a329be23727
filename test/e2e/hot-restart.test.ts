// Processes that take over from each other under load: nobody who connects may notice.
// WEFT_HOT_RESTART_BAR=1 makes it ten restarts and a hundred thousand connections.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { ConnectionLoad } from "../../src/testing/connection-load.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer } from "../../src/testing/peers.ts";
import { listener } from "../../src/testing/proxy-config.ts";
import { TcpClient } from "../../src/testing/tcp-client.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const BAR = process.env["WEFT_HOT_RESTART_BAR"] === "1";
const RESTARTS = BAR ? 10 : 2;
const CONNECTIONS = BAR ? 100_000 : 1000;
const START_TIME = 30_000;

interface Site {
  readonly port: number;
  readonly baseId: string;
  /** Arguments of `weft proxy` but for what the test is about. */
  readonly flags: readonly string[];
  /** Writes the bootstrap: "/direct" answers with this text. */
  configure(answer: string): void;
  admin(path: string): Promise<string>;
}

test("weft restart replaces a proxy under load without a failed connection", async (t) => {
  const site = await newSite();
  site.configure("generation 0");
  const supervisor = weft(t, "proxy", "--hot-restart", ...site.flags);
  await waitUntil("it serves", () => serves(site), START_TIME);
  const load = new ConnectionLoad(site.port, 8);
  for (let i = 1; i <= RESTARTS; i++) {
    const enough = load.answered + CONNECTIONS / RESTARTS;
    await waitUntil("enough connections", () => load.answered >= enough, 120_000);
    site.configure(`generation ${i}`);
    const restart = weft(t, "restart", "--base-id", site.baseId);
    assert.equal(await restart.exited, 0, restart.stderr);
    assert.match(await answerOf(site), new RegExp(`generation ${i}$`));
  }
  await load.end();
  t.diagnostic(`${load.answered} connections over ${RESTARTS} restarts`);
  assert.deepEqual(load.failed, new Map());
  const stats = await site.admin("/stats?filter=^server.hot_restart|^http.l.downstream_rq_2xx");
  assert.match(stats, new RegExp(`hot_restart_epoch: ${RESTARTS}\n`));
  assert.match(stats, new RegExp(`hot_restart_generation: ${RESTARTS + 1}\n`));
  const counted = Number(/downstream_rq_2xx: (\d+)/.exec(stats)?.[1]);
  // One more at the start, one after each restart.
  assert.equal(counted, load.answered + 1 + RESTARTS, "counters go on");

  // A configuration that cannot be used changes nothing, and its problem is told.
  site.configure("broken");
  writeFileSync(configOf(site), readFileSync(configOf(site), "utf8").replace('"prefix"', '"prefixx"'));
  const refused = weft(t, "restart", "--base-id", site.baseId);
  assert.equal(await refused.exited, 1);
  assert.match(refused.stderr, new RegExp(`epoch ${RESTARTS} goes on: .*unknown field "prefixx"`));
  assert.match(await answerOf(site), new RegExp(`generation ${RESTARTS}$`));
  assert.equal(await site.admin("/ready"), "LIVE\n");

  supervisor.signal("SIGTERM");
  assert.equal(await supervisor.exited, 0);
});

test("a request that is under way during a restart gets its answer", async (t) => {
  const site = await newSite();
  site.configure("old");
  const supervisor = weft(t, "proxy", "--hot-restart", ...site.flags);
  await waitUntil("it serves", () => serves(site), START_TIME);
  const client = await TcpClient.connect(site.port);
  await client.send("GET /direct HTTP/1.1\r\nho");
  site.configure("new");
  supervisor.signal("SIGHUP");
  await waitUntil("the new one", async () => (await answerOf(site)).endsWith("new"), START_TIME);
  await client.send("st: a\r\n\r\n");
  await client.waitFor(({ fate }) => fate !== "open", 5000);
  assert.match(client.received, /^HTTP\/1\.1 200 [^]*old$/);
  client.close();
  supervisor.signal("SIGTERM");
  assert.equal(await supervisor.exited, 0);
});

test("--restart-epoch takes over from a process of the same base id without a failed connection", async (t) => {
  const site = await newSite();
  site.configure("epoch 0");
  let before = weft(t, "proxy", ...site.flags);
  await waitUntil("it serves", () => serves(site), START_TIME);
  const load = new ConnectionLoad(site.port, 4);
  for (let epoch = 1; epoch <= RESTARTS; epoch++) {
    site.configure(`epoch ${epoch}`);
    const next = weft(t, "proxy", ...site.flags, "--restart-epoch", String(epoch));
    assert.equal(await before.exited, 0, before.stderr);
    assert.match(await answerOf(site), new RegExp(`epoch ${epoch}$`));
    before = next;
  }
  await load.end();
  assert.ok(load.answered > 0);
  assert.deepEqual(load.failed, new Map());
  before.signal("SIGTERM");
  assert.equal(await before.exited, 0);

  const orphan = weft(t, "proxy", ...site.flags, "--restart-epoch", "7");
  assert.equal(await orphan.exited, 1);
  assert.match(orphan.stderr, /no proxy with --base-id \d+ --restart-epoch 6 to take over from/);
});

function weft(t: TestContext, ...args: string[]): ManagedProcess {
  const child = new ManagedProcess(process.execPath, [findPeer("weft")!, ...args]);
  t.after(() => child.stop(3000));
  return child;
}

async function newSite(): Promise<Site> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const config = join(tempDir("hot-restart"), "proxy.json");
  const baseId = String(port);
  const flags = ["--base-id", baseId, "-c", config, "--concurrency", "2", "-l", "warning"];
  const site: Site = {
    port,
    baseId,
    flags: [...flags, "--drain-time-s", "5", "--drain-strategy", "immediate"],
    configure: (answer) => writeFileSync(config, JSON.stringify(bootstrap(port, adminPort, answer))),
    admin: async (path) => (await fetch(`http://127.0.0.1:${adminPort}${path}`)).text(),
  };
  return site;
}

function configOf(site: Site): string {
  return site.flags[site.flags.indexOf("-c") + 1]!;
}

function bootstrap(port: number, adminPort: number, answer: string): object {
  const reply = { status: 200, body: { inline_string: answer } };
  const route_config = {
    name: "r",
    virtual_hosts: [
      { name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: reply }] },
    ],
  };
  return {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: adminPort } } },
    static_resources: { listeners: [listener("l", { route_config }, port)] },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function serves(site: Site): Promise<boolean> {
  return (await answerOf(site).catch(() => "")) !== "";
}

async function answerOf(site: Site): Promise<string> {
  const client = await TcpClient.connect(site.port);
  await client.send("GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  await client.waitFor(({ fate }) => fate !== "open", 5000);
  client.close();
  return client.received;
}
