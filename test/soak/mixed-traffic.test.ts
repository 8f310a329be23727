// All kinds of traffic at once for a while, with peers that misbehave and configuration that changes; afterwards
// nothing may be left: no gauge above zero, no descriptor, no memory that grows. WEFT_SOAK_SECONDS says how long,
// WEFT_SOAK_KINDS (a regular expression) which kinds, WEFT_SOAK_UPDATE_MS how often listeners change (0: never).
import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCertificate } from "../../src/testing/certs.ts";
import { startProxy, type RunningProxy } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { bootstrapOf, listenersOf } from "./soak-config.ts";
import { SoakClients } from "./soak-clients.ts";
import { startSoakUpstreams } from "./soak-upstreams.ts";

const SECONDS = Number(process.env["WEFT_SOAK_SECONDS"] ?? 10);
const KINDS = new RegExp(process.env["WEFT_SOAK_KINDS"] ?? "");
const UPDATE_MS = Number(process.env["WEFT_SOAK_UPDATE_MS"] ?? 3000);
/** Part of the time after which memory should not grow any more. */
const WARM_UP = 0.3;
/**
 * glibc keeps what is freed for what comes next, so resident memory creeps up to the highest that was ever in use at once
 * and hides whether memory is lost. From this size on it gives back at once.
 */
process.env["MALLOC_MMAP_THRESHOLD_"] ??= "16384";
/** What measuring resident memory may be off by. */
const NOISE = 24 * 1024 * 1024;
/** Gauges that count what is under way. */
const ACTIVE =
  /(rq_active|cx_active|rq_pending_active|cx_http[12]_active|cx_upgrades_active|streams_active|cx_ssl_active|cx_tunnel_active)$/;

test(`mixed traffic for ${SECONDS} s leaves nothing behind`, async (t) => {
  const upstreams = await startSoakUpstreams(t);
  const folder = tempDir("soak");
  const lds = join(folder, "lds.json");
  let version = 0;
  const certificate = makeCertificate({ name: "soak", names: ["IP:127.0.0.1"] });
  const publish = (): void => {
    const resources = listenersOf(certificate, ++version);
    writeFileSync(`${lds}.new`, JSON.stringify({ version_info: String(version), resources }));
    renameSync(`${lds}.new`, lds);
  };
  publish();
  const proxy = await startProxy("weft", bootstrapOf(lds, upstreams), {
    concurrency: 2,
    timeoutMs: 60_000,
    // What an update drains is cut when this is over: longer than anything here takes on a busy machine.
    args: ["--drain-time-s", "30"],
  });
  t.after(() => proxy.stop());
  await waitUntil("the listeners", () => proxy.ports.size === 2);
  const { pid } = proxy.process;
  const descriptors = openDescriptors(pid);
  const clients = new SoakClients(proxy.ports.get("plain")!, proxy.ports.get("tls")!, KINDS);
  const updates = UPDATE_MS > 0 ? setInterval(publish, UPDATE_MS) : undefined;
  const samples: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    await sleep(Math.min(1000, SECONDS * 100));
    samples.push(residentBytes(pid));
  }
  clearInterval(updates);
  await clients.stop();
  t.diagnostic(clients.summary());
  assert.deepEqual(clients.unexpected, new Map());
  await waitUntil("everything to end", async () => (await leftOf(proxy)).length === 0, 20_000).catch(
    async (error: unknown) => {
      throw new Error(`${(error as Error).message}: ${(await leftOf(proxy)).join(", ")}`);
    },
  );
  // Pools keep connections to upstreams; those are few.
  const more = openDescriptors(pid) - descriptors;
  t.diagnostic(`${more} descriptors more than at the start`);
  assert.ok(more < 100, `${more} descriptors more than at the start`);
  const growth = growthAfterWarmUp(samples);
  t.diagnostic(
    `resident memory: ${mb(samples[0]!)} at first, ${mb(samples.at(-1)!)} at last, ${mb(growth)} growth after warm-up`,
  );
  // In short runs memory is still on its way up.
  if (SECONDS >= 60) assert.ok(growth < NOISE, `memory grew by ${growth} bytes after warm-up`);
  assert.equal(await proxy.stop(10_000), 0);
  assert.doesNotMatch(proxy.log, /crashed|nobody caught/);
});

/** Gauges that should be zero and are not. Idle connections to upstreams may stay. */
async function leftOf(proxy: RunningProxy): Promise<string[]> {
  const left: string[] = [];
  for (const [name, value] of await proxy.stats("active")) {
    if (!ACTIVE.test(name) || value === 0 || /upstream_cx_|admin/.test(name)) continue;
    left.push(`${name}=${value}`);
  }
  return left;
}

/** What the line through the samples after the warm-up rises by. */
function growthAfterWarmUp(samples: readonly number[]): number {
  const used = samples.slice(Math.floor(samples.length * WARM_UP));
  const n = used.length;
  if (n < 2) return 0;
  const meanX = (n - 1) / 2;
  const meanY = used.reduce((sum, each) => sum + each, 0) / n;
  let above = 0;
  let below = 0;
  for (const [x, y] of used.entries()) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return (above / below) * (n - 1);
}

function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

function mb(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
