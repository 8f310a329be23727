import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import test from "node:test";
import { defaultConcurrency, parseCpuMax } from "./cpu-count.ts";
import { compileLogFormat, DEFAULT_LOG_FORMAT } from "./log-format.ts";
import { BindError, PortHolder } from "./port-holder.ts";
import { ReplayLog } from "./replay-log.ts";

test("PortHolder.acquire() turns port 0 into a real port and shares it inside the process", () => {
  const holder = new PortHolder(false);
  const first = holder.acquire("127.0.0.1", 0, false);
  assert.ok(first.port > 0);
  const second = holder.acquire("127.0.0.1", first.port, false);
  assert.equal(second.port, first.port);
  first.release();
  first.release();
  second.release();
  new PortHolder(false).acquire("127.0.0.1", second.port, false).release();
});

test("PortHolder.acquire() refuses a port of another process even if it may be shared", async () => {
  const server = createServer();
  await new Promise<void>((resolve) =>
    server.listen({ host: "127.0.0.1", port: 0, reusePort: true }, resolve),
  );
  const { port } = server.address() as AddressInfo;
  assert.throws(
    () => new PortHolder(false).acquire("127.0.0.1", port, false),
    (error: Error) =>
      error instanceof BindError &&
      error.message.startsWith(`cannot bind '127.0.0.1:${port}': Address already in use`),
  );
  new PortHolder(true).acquire("127.0.0.1", port, false).release();
  server.close();
});

test("compileLogFormat() prints Envoy's default line", () => {
  const time = new Date(2026, 10, 22, 5, 6, 7, 8).getTime();
  const entry = { time, level: "info", component: "main", message: "hi", file: "src/a.ts", line: 3 } as const;
  assert.equal(
    compileLogFormat(DEFAULT_LOG_FORMAT)(entry),
    `[2026-11-22 05:06:07.008][${process.pid}][info][main] [src/a.ts:3] hi`,
  );
  assert.equal(compileLogFormat("%% %q %L %@")(entry), "% %q I src/a.ts:3");
});

test("ReplayLog.messages() gives the last state in a safe order", () => {
  const log = new ReplayLog();
  const bytes = new Uint8Array();
  log.record({ kind: "listener", name: "l", bytes, bind: [] });
  log.record({ kind: "hosts", cluster: "a", hosts: [], overprovisioning: 140 });
  log.record({ kind: "cluster", name: "a", bytes, breakerSlot: 0 });
  log.record({ kind: "cluster", name: "b", bytes, breakerSlot: 1 });
  log.record({ kind: "remove-cluster", name: "b" });
  log.record({ kind: "routes", name: "r", bytes });
  log.record({ kind: "runtime", values: {} });
  assert.deepEqual(
    log.messages().map(({ kind }) => kind),
    ["runtime", "cluster", "hosts", "routes", "listener"],
  );
});

test("defaultConcurrency() respects affinity and the quotas of its cgroup and those above", () => {
  assert.equal(parseCpuMax("max 100000\n"), undefined);
  assert.equal(parseCpuMax("250000 100000\n"), 2.5);
  const count = (files: Record<string, string>, env: NodeJS.ProcessEnv = {}): number =>
    defaultConcurrency({ env, available: 8, read: (path) => files[path] });
  assert.equal(count({}), 8);
  const service = { "/proc/self/cgroup": "0::/system.slice/weft.service\n" };
  const quota = { ...service, "/sys/fs/cgroup/system.slice/weft.service/cpu.max": "350000 100000\n" };
  assert.equal(count(quota), 3);
  assert.equal(count({ ...quota, "/sys/fs/cgroup/system.slice/cpu.max": "200000 100000\n" }), 2);
  assert.equal(count({ ...service, "/sys/fs/cgroup/cpu.max": "50000 100000\n" }), 1);
  assert.equal(count(quota, { ENVOY_CGROUP_CPU_DETECTION: "false" }), 8);
  const v1 = { "/proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/docker/abc\n" };
  const folder = "/sys/fs/cgroup/cpu";
  assert.equal(
    count({ ...v1, [`${folder}/cpu.cfs_quota_us`]: "400000", [`${folder}/cpu.cfs_period_us`]: "100000" }),
    4,
  );
});
