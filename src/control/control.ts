import { readFile } from "node:fs/promises";
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { serve } from "@hono/node-server";
import { loadConfig } from "../base/load-config.ts";
import { AdsServer } from "./ads-server.ts";
import { CatalogStore } from "./catalog-store.ts";
import { controlApi } from "./control-api.ts";
import { ControlMetrics } from "./control-metrics.ts";
import type { HoldOptions } from "./hold.ts";
import { loadLastGood, saveLastGood } from "./last-good.ts";
import { defaultMeshPolicy, meshPolicySchema, type MeshPolicy } from "./mesh-policy.ts";
import { SnapshotBuilder } from "./snapshot.ts";
import { parseSource, type DiscoverySourceDef, type SourceLog } from "./source.ts";
import { sources as shippedSources } from "./sources/index.ts";

export interface ControlOptions {
  /** `registry:url=http://…`, `file:path=…`; at least one. */
  readonly sources: readonly string[];
  /** Mesh policy file; reloaded when it changes. */
  readonly mesh?: string;
  readonly host?: string;
  /** gRPC port; 0 = any. */
  readonly xdsPort?: number;
  /** HTTP port; 0 = any. */
  readonly apiPort?: number;
  /** Where the last known good catalog is kept; none = not kept. */
  readonly lastGood?: string;
  readonly hold?: HoldOptions;
  /** How long removed clusters stay with a node, in milliseconds. */
  readonly lingerMs?: number;
  readonly log: SourceLog;
  readonly shipped?: readonly DiscoverySourceDef[];
}

export interface ControlPlane {
  readonly xdsPort: number;
  readonly apiPort: number;
  close(): Promise<void>;
}

const SAVE_DELAY_MS = 200;
const PUSH_DELAY_MS = 20;
const HOLD_CHECK_MS = 1000;

/** Starts a control plane. Throws an Error for a wrong source, a broken policy or a taken port. */
export async function startControl(options: ControlOptions): Promise<ControlPlane> {
  const { log, host = "127.0.0.1" } = options;
  const parsed = options.sources.map((text) => parseSource(text, options.shipped ?? shippedSources));
  const names = parsed.map(({ source }, i) =>
    parsed.findIndex((p) => p.source === source) === i ? source.name : `${source.name}-${i + 1}`,
  );
  const metrics = new ControlMetrics();
  const snapshots = new SnapshotBuilder(
    options.mesh === undefined ? defaultMeshPolicy() : await readPolicy(options.mesh),
  );
  const stopping = new AbortController();
  let restored = false;

  const catalog = new CatalogStore(names, options.hold, () => changed());
  const ready = () => restored || catalog.synced;
  const ads = new AdsServer({
    host,
    port: options.xdsPort ?? 0,
    lingerMs: options.lingerMs ?? 30_000,
    log,
    metrics,
    snapshots,
    ready,
  });
  const push = later(PUSH_DELAY_MS, () => ads.pushAll());
  const save = later(SAVE_DELAY_MS, () => {
    if (options.lastGood === undefined || !catalog.synced) return;
    saveLastGood(options.lastGood, catalog.save()).catch((error: Error) =>
      log.warn(`cannot save last known good: ${error.message}`),
    );
  });
  function changed(): void {
    snapshots.update({ catalog: catalog.catalog });
    push();
    save();
  }

  if (options.lastGood !== undefined) restored = await restore(options.lastGood, catalog, log);
  const xdsPort = await ads.listen();
  const api = controlApi({ catalog, ads, metrics, snapshots, ready });
  const { promise: listening, resolve, reject } = Promise.withResolvers<number>();
  const http = serve({ fetch: api.fetch, hostname: host, port: options.apiPort ?? 0 }, (info) =>
    resolve(info.port),
  );
  http.on("error", (error) =>
    reject(new Error(`Cannot listen on ${host}:${options.apiPort}: ${error.message}`)),
  );
  const apiPort = await listening;

  const running = parsed.map(({ source, options: given }, i) =>
    follow(source, given, names[i]!, { catalog, log, signal: stopping.signal }),
  );
  const holdTimer = setInterval(() => catalog.expireHolds(Date.now()), HOLD_CHECK_MS);
  const unwatch =
    options.mesh === undefined
      ? () => {}
      : watchPolicy(options.mesh, log, (policy) => {
          snapshots.update({ policy });
          push();
        });
  return {
    xdsPort,
    apiPort,
    async close() {
      stopping.abort();
      clearInterval(holdTimer);
      unwatch();
      await Promise.all(running);
      if (options.lastGood !== undefined && catalog.synced)
        await saveLastGood(options.lastGood, catalog.save());
      await ads.close();
      if ("closeAllConnections" in http) http.closeAllConnections();
      http.close();
    },
  };
}

async function follow(
  source: DiscoverySourceDef,
  options: Readonly<Record<string, string>>,
  name: string,
  { catalog, log, signal }: { catalog: CatalogStore; log: SourceLog; signal: AbortSignal },
): Promise<void> {
  for await (const reading of source.watch(options, { signal, log })) {
    for (const hold of catalog.apply(name, reading, Date.now())) {
      log.warn(
        `holding ${hold.kept} endpoints of ${hold.service}: ${hold.reason} (source ${name} reports ${hold.reported})`,
      );
    }
    if (signal.aborted) return;
  }
}

async function restore(file: string, catalog: CatalogStore, log: SourceLog): Promise<boolean> {
  try {
    const saved = await loadLastGood(file);
    if (saved === undefined) return false;
    catalog.restore(saved.catalog);
    log.info(`serving the last known good catalog of ${saved.savedAt} until the sources are read`);
    return true;
  } catch (error) {
    log.warn(error instanceof Error ? error.message : String(error));
    return false;
  }
}

async function readPolicy(file: string): Promise<MeshPolicy> {
  return loadConfig(meshPolicySchema, await readFile(file, "utf8"), file);
}

/** Calls back with each good new content; a bad one is logged and the old one stays. */
function watchPolicy(file: string, log: SourceLog, onPolicy: (policy: MeshPolicy) => void): () => void {
  const reload = later(50, () => {
    readPolicy(file).then(
      (policy) => {
        log.info(`mesh policy "${file}" loaded`);
        onPolicy(policy);
      },
      (error: Error) => log.warn(`${error.message}; keeping the policy in force`),
    );
  });
  const watcher = watch(dirname(file), (_, name) => {
    if (name === basename(file)) reload();
  });
  return () => watcher.close();
}

/** A function that runs `work` once, `ms` after the first of several calls. */
function later(ms: number, work: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      work();
    }, ms);
  };
}
