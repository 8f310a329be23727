import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { listener, routesTo, staticCluster } from "../testing/proxy-config.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { waitUntil } from "../testing/wait-until.ts";

/** A program that is only the command. */
const RUN = join(tempDir("run"), "run.mjs");
writeFileSync(
  RUN,
  `import { runProxyCommand } from ${JSON.stringify(new URL("server.ts", import.meta.url).href)};
process.exitCode = await runProxyCommand(process.argv.slice(2));`,
);

test("runProxyCommand() reopens logs at SIGUSR1, drains at SIGTERM, and exits at the second one", async (t) => {
  const arrived = Promise.withResolvers<void>();
  const upstream = http.createServer(() => arrived.resolve());
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const directory = tempDir("signals");
  const config = join(directory, "proxy.json");
  const adminPath = join(directory, "admin");
  const logPath = join(directory, "log");
  writeFileSync(
    config,
    JSON.stringify({
      admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
      static_resources: {
        listeners: [listener("l", { route_config: routesTo("up") })],
        clusters: [staticCluster("up", (upstream.address() as AddressInfo).port)],
      },
    }),
  );
  const flags = [
    "-c",
    config,
    "--concurrency",
    "1",
    "--admin-address-path",
    adminPath,
    "--log-path",
    logPath,
  ];
  const child = spawn(process.execPath, [RUN, ...flags], {
    stdio: "inherit",
  });
  t.after(() => child.kill("SIGKILL"));
  const exit = once(child, "exit");
  const log = (): string => readFileSync(logPath, "utf8");
  await waitUntil(
    "it is live",
    () => {
      try {
        return log().includes("starting main dispatch loop");
      } catch {
        return false;
      }
    },
    20_000,
  );
  const admin = readFileSync(adminPath, "utf8");
  assert.equal(await (await fetch(`http://${admin}/ready`)).text(), "LIVE\n");
  const listeners = await (await fetch(`http://${admin}/listeners`)).text();
  const address = /^l::(.*)$/m.exec(listeners)![1]!;

  child.kill("SIGHUP");
  child.kill("SIGUSR1");
  await waitUntil("it reopened its logs", () => log().includes("caught SIGUSR1"));
  const open = fetch(`http://${address}/`).catch(() => undefined);
  await arrived.promise;
  child.kill("SIGTERM");
  await waitUntil(
    "it drains",
    async () => (await (await fetch(`http://${admin}/ready`)).text()) === "DRAINING\n",
  );
  assert.equal(child.exitCode, null);
  child.kill("SIGTERM");
  assert.deepEqual(await exit, [0, null]);
  await open;
});

test("runProxyCommand() prints Envoy's errors and exit codes", async () => {
  const run = async (...flags: string[]): Promise<{ code: number; out: string; err: string }> => {
    const child = spawn(process.execPath, [RUN, ...flags]);
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    const [code] = (await once(child, "close")) as [number];
    return { code, out, err };
  };
  const file = join(tempDir("validate"), "ok.yaml");
  writeFileSync(file, "node: {id: a}\n");
  const [ok, missing, unknown] = await Promise.all([
    run("--mode", "validate", "-c", file),
    run("--mode", "validate", "-c", "nofile.yaml"),
    run("--nosuch"),
  ]);
  assert.deepEqual([ok.code, ok.out], [0, `configuration '${file}' OK\n`]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /error initializing configuration 'nofile.yaml': Invalid path: nofile.yaml/);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /^PARSE ERROR: Argument: --nosuch/);
});
