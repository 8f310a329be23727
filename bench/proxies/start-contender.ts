import { spawn } from "node:child_process";
import { mkdtempSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProxy } from "../../src/testing/start-proxy.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import type { Contender, Site } from "./contender.ts";
import { clusterFileContent, envoyBootstrap } from "./envoy.ts";
import { haproxyConfig } from "./haproxy.ts";
import { nginxConfig } from "./nginx.ts";
import { accepts, freePort, pathOf, pinned, startNginx } from "./start-nginx.ts";
import type { ProxyName, Work } from "./work.ts";

/** Long enough to write a profile at the end. */
const STOP_MS = 20_000;

/** Starts a proxy that does the given work on its core, and waits until it accepts connections. */
export async function startContender(name: ProxyName, work: Work, whereabouts: Site): Promise<Contender> {
  const site = { ...whereabouts, folder: mkdtempSync(join(whereabouts.folder, `${name}-`)) };
  const begin = performance.now();
  const started = await start(name, work, site);
  return { ...started, name, startMs: performance.now() - begin };
}

function start(name: ProxyName, work: Work, site: Site): Promise<Omit<Contender, "name" | "startMs">> {
  switch (name) {
    case "nginx":
      return nginx(work, site);
    case "haproxy":
      return haproxy(work, site);
    default:
      return envoyLike(name, work, site);
  }
}

async function envoyLike(
  name: "weft" | "base" | "envoy",
  work: Work,
  site: Site,
): Promise<Omit<Contender, "name" | "startMs">> {
  const clusterFile = join(site.folder, "clusters.json");
  if (work.watchesClusters) writeFileSync(clusterFile, clusterFileContent(0, "1s"));
  const proxy = await startProxy(
    name === "base" ? "weft" : name,
    envoyBootstrap(name, work, site, clusterFile),
    {
      prefix: pinned(site.core),
      ...(name === "base" && { program: site.base }),
      nodeArgs: site.nodeArgs,
    },
  );
  const port = proxy.ports.get("bench");
  if (port === undefined) throw new Error(`${name} has no listener "bench"`);
  const stop = async (): Promise<void> => void (await proxy.stop(STOP_MS));
  return { port, pid: proxy.process.pid, clusterFile, stop };
}

async function nginx(work: Work, site: Site): Promise<Omit<Contender, "name" | "startMs">> {
  if (work.upstream !== "h1") throw new Error("nginx speaks HTTP/1.1 with upstreams");
  const port = await freePort();
  const { core, folder } = site;
  return {
    port,
    clusterFile: "",
    ...(await startNginx("nginx", port, core, folder, nginxConfig(port, work, site))),
  };
}

/** HAProxy logs to its standard output, so that goes to a file here and not through this process. */
async function haproxy(work: Work, site: Site): Promise<Omit<Contender, "name" | "startMs">> {
  const port = await freePort();
  const file = join(site.folder, "haproxy.cfg");
  writeFileSync(file, haproxyConfig(port, work, site));
  const log = openSync(join(site.folder, "haproxy.log"), "w");
  const [command, ...args] = [...pinned(site.core), pathOf("haproxy"), "-db", "-f", file];
  const child = spawn(command!, args, { stdio: ["ignore", log, log] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  await waitUntil("haproxy listens", () => accepts(port));
  const stop = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await gone;
    process.off("exit", kill);
  };
  return { port, pid: child.pid!, clusterFile: "", stop };
}
