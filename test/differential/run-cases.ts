import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProxy, validateBootstrap } from "../../src/testing/start-proxy.ts";
import type { ProxyKind, RunningProxy } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { buildBootstrap, fileText } from "./build-bootstrap.ts";
import type { CaseEnvironment } from "./build-bootstrap.ts";
import type { Case } from "./case.ts";
import { play } from "./play.ts";
import { toRecord } from "./record.ts";
import type { CaseRecord } from "./record.ts";
import { startUpstream } from "./upstreams.ts";
import type { CaseUpstream } from "./upstreams.ts";

/** How a case went on one proxy: its record, or why there is none. */
export type CaseResult = { record: CaseRecord } | { error: string };

const AT_ONCE = 20;
/** Failed starts that are spent on finding the cases to blame. */
const START_BUDGET = 30;

interface Prepared extends CaseEnvironment {
  upstreams: Map<string, CaseUpstream>;
}

/**
 * Plays cases on one kind of proxy: those that share a process in one process, dedicated ones each in its own. When the
 * shared process does not start, it is tried again without the cases to blame.
 */
export async function runCases(kind: ProxyKind, cases: readonly Case[]): Promise<Map<Case, CaseResult>> {
  const results = new Map<Case, CaseResult>();
  const refused = (entry: Case): boolean => kind === "weft" && entry.unsupported !== undefined;
  const played = cases.filter((entry) => entry.kind === "play" && !refused(entry));
  const shared = played.filter((entry) => !entry.dedicated);
  const budget = { starts: START_BUDGET };
  await runShared(kind, shared, results, budget);
  const alone = played.filter((entry) => entry.dedicated);
  await limited(alone, 3, (entry) => runShared(kind, [entry], results, budget));
  const validated = cases.filter((entry) => entry.kind === "validate" || refused(entry));
  await limited(validated, 2, async (entry) => void results.set(entry, await validate(kind, entry)));
  return results;
}

async function runShared(
  kind: ProxyKind,
  cases: readonly Case[],
  results: Map<Case, CaseResult>,
  budget: { starts: number },
): Promise<void> {
  if (cases.length === 0) return;
  const prepared = await prepare(cases);
  const bootstrap = buildBootstrap(cases, prepared);
  let proxy: RunningProxy;
  try {
    proxy = await startProxy(kind, bootstrap, { timeoutMs: 15_000 });
  } catch (error) {
    await release(prepared);
    for (const part of blame(cases, bootstrap, (error as Error).message, results, budget)) {
      await runShared(kind, part, results, budget);
    }
    return;
  }
  try {
    await limited(cases, AT_ONCE, async (entry) => {
      results.set(entry, await playOne(entry, proxy, prepared.get(entry)!));
    });
  } finally {
    await proxy.stop();
    await release(prepared);
  }
}

/**
 * Says what to try next when a shared process did not start. Cases whose listener or cluster the error names are given
 * up with their lines of it; when it names none, the cases are halved.
 */
function blame(
  cases: readonly Case[],
  bootstrap: object,
  error: string,
  results: Map<Case, CaseResult>,
  budget: { starts: number },
): Case[][] {
  const lines = Map.groupBy(error.split("\n"), (line) =>
    cases.find((entry) => names(line, entry, bootstrap)),
  );
  lines.delete(undefined);
  if (cases.length === 1 || budget.starts-- <= 0) {
    for (const entry of cases) results.set(entry, { error });
    return [];
  }
  if (lines.size > 0) {
    for (const [entry, own] of lines)
      results.set(entry!, { error: `the proxy did not start: ${own.join("\n")}` });
    return [cases.filter((entry) => !lines.has(entry))];
  }
  const middle = Math.ceil(cases.length / 2);
  return [cases.slice(0, middle), cases.slice(middle)];
}

/** Whether a line of an error is about a listener or cluster of a case: it gives their names or their places. */
function names(line: string, entry: Case, bootstrap: object): boolean {
  if (new RegExp(`\\b${entry.id}\\b`).test(line)) return true;
  const resources = (bootstrap as { static_resources: Record<string, { name: string }[]> }).static_resources;
  for (const [, kind, index] of line.matchAll(/static_resources\.(listeners|clusters)\[(\d+)\]/g)) {
    const name = resources[kind!]?.[Number(index)]?.name ?? "";
    if (name === entry.id || name.startsWith(`${entry.id}--`)) return true;
  }
  return false;
}

async function playOne(entry: Case, proxy: RunningProxy, prepared: Prepared): Promise<CaseResult> {
  try {
    const seen = await play(entry, proxy, prepared, prepared.upstreams);
    const ports = new Map([...prepared.ports].map(([name, port]) => [port, `<${name}>`]));
    ports.set(proxy.ports.get(entry.id)!, "<listener>");
    ports.set(Number(new URL(proxy.admin).port), "<admin>");
    return { record: toRecord(entry, seen, { ports }) };
  } catch (error) {
    const crashed = proxy.process.ended
      ? `\n${proxy.kind} has ended; its output:\n${proxy.log.slice(-2000)}`
      : "";
    return { error: `${(error as Error).message}${crashed}` };
  }
}

async function validate(kind: ProxyKind, entry: Case): Promise<CaseResult> {
  const prepared = await prepare([entry]);
  try {
    const { code, output } = await validateBootstrap(kind, buildBootstrap([entry], prepared));
    // Protobuf's own messages vary their spaces on purpose.
    const text = output.replaceAll(entry.id, "<case>").replaceAll(/[ \t]+/g, " ");
    const lines = [`exit code ${code}`, ...text.split("\n")];
    return { record: { lines, statuses: [], fates: [], upstreamRequests: 0, requestsByUpstream: new Map() } };
  } finally {
    await release(prepared);
  }
}

async function prepare(cases: readonly Case[]): Promise<Map<Case, Prepared>> {
  const folder = tempDir("differential");
  const prepared = new Map<Case, Prepared>();
  for (const [i, entry] of cases.entries()) {
    const upstreams = new Map<string, CaseUpstream>();
    // Paths of pipes must be short.
    const own = join(folder, String(i));
    mkdirSync(own);
    for (const [name, spec] of Object.entries(entry.upstreams)) {
      const address = entry.addresses[name];
      const where = address === "pipe" ? join(own, `${name}.sock`) : address === "ipv6" ? "::1" : undefined;
      upstreams.set(name, await startUpstream(spec, entry.upstream_tls[name], where));
    }
    const ports = new Map([...upstreams].map(([name, upstream]) => [name, upstream.port]));
    const environment = { upstreams, ports, folder: own, logFile: join(own, "access.log") };
    for (const [name, content] of Object.entries(entry.files)) {
      writeFileSync(join(own, name), fileText(content, entry, environment));
    }
    prepared.set(entry, environment);
  }
  return prepared;
}

async function release(prepared: ReadonlyMap<Case, Prepared>): Promise<void> {
  for (const { upstreams } of prepared.values()) {
    for (const upstream of upstreams.values()) await upstream.close();
  }
}

/** Runs `work` over all items, at most `count` at once. */
async function limited<T>(
  items: readonly T[],
  count: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: count }, worker));
}
