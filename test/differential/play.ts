import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { headerValue, readHttpMessage, statusOf } from "../../src/testing/read-http.ts";
import type { HttpMessage } from "../../src/testing/read-http.ts";
import type { RunningProxy } from "../../src/testing/start-proxy.ts";
import { TcpClient } from "../../src/testing/tcp-client.ts";
import { connectTls, handshakeOf, openTls } from "./certificates.ts";
import { expandText, fileText } from "./build-bootstrap.ts";
import type { CaseEnvironment } from "./build-bootstrap.ts";
import type { Case, Step } from "./case.ts";
import { H2Client } from "./h2/client.ts";
import type { H2Transcript } from "./h2/transcript.ts";
import type { CaseUpstream, UpstreamRecord } from "./upstreams.ts";

const RESPONSE_TIMEOUT_MS = 4000;
/** From counting an update to serving it. */
const APPLY_MS = 150;
const RELOAD_TIMEOUT_MS = 3000;
const QUIET_TIMEOUT_MS = 1500;
/** An error reply may keep its connection for Envoy's delayed close of one second. */
const CLOSE_TIMEOUT_MS = 3000;

/** What a connection of the client saw. */
export interface ClientRecord {
  name: string;
  messages: HttpMessage[];
  /** Bytes after the last message that could be read. */
  rest: string;
  fate: string;
  /** Of one that spoke HTTP/2. */
  h2?: H2Transcript;
}

/** Everything observed while a case was played, before normalising. */
export interface Observation {
  clients: ClientRecord[];
  upstreams: { name: string; connections: UpstreamRecord[] }[];
  admin: { request: string; lines: string[] }[];
  stats: string[];
  log: string[];
  /** Things that did not happen in time. */
  notes: string[];
}

interface OpenConnection {
  client: TcpClient;
  sent: string;
  expected: number;
  /** Final responses that the case says come in all, when it uses one connection only. */
  total: number | undefined;
}

/** Plays the steps of a case on a running proxy. */
export async function play(
  entry: Case,
  proxy: RunningProxy,
  environment: CaseEnvironment,
  upstreams: ReadonlyMap<string, CaseUpstream>,
): Promise<Observation> {
  const port = proxy.ports.get(entry.id) ?? 0;
  if (port === 0 && entry.steps.some(({ to }) => to?.includes("<file:") !== true))
    throw new Error(`${proxy.kind} has no listener ${entry.id}`);
  const connections = new Map<string, OpenConnection | H2Client>();
  const admin: Observation["admin"] = [];
  const notes: string[] = [];
  try {
    for (const written of entry.steps) {
      const expandNames = (text: string): string => expandText(text, entry, environment);
      const step: Step = {
        ...written,
        headers: written.headers.map(expandNames),
        ...(written.bytes !== undefined && { bytes: expandNames(written.bytes) }),
      };
      if (step.admin !== undefined) {
        admin.push(await askAdmin(step.admin, proxy, expandNames));
        continue;
      }
      if (step.write !== undefined) {
        await replaceFile(step.write, entry, proxy, environment);
        continue;
      }
      const to = step.to === undefined ? undefined : expandNames(step.to);
      const connection = connections.get(step.conn) ?? (await open(port, entry, step, to));
      connections.set(step.conn, connection);
      for (let i = 0; i < step.times; i++) {
        if (connection instanceof H2Client) await connection.play(step, notes);
        else await playStep(entry, step, connection, notes);
      }
    }
    for (const connection of connections.values()) {
      if (connection instanceof H2Client) await connection.settle(entry.expect.fate ?? "open");
      else await settle(connection, entry);
    }
    await waitForCalls(entry, upstreams, notes);
    const answered = [...connections.values()].reduce((sum, each) => sum + answersOf(each), 0);
    const stats = await readStats(entry, proxy, environment);
    const log = entry.access_log === undefined ? [] : await readLog(environment.logFile, answered);
    return {
      clients: [...connections].map(([name, connection]) => recordOf(name, connection)),
      upstreams: [...upstreams].map(([name, upstream]) => ({
        name,
        connections: upstream.connections(),
      })),
      admin,
      stats,
      log,
      notes,
    };
  } finally {
    for (const connection of connections.values()) {
      (connection instanceof H2Client ? connection : connection.client).close();
    }
  }
}

/** Waits for upstreams that are called after the response: log services. */
async function waitForCalls(
  entry: Case,
  upstreams: ReadonlyMap<string, CaseUpstream>,
  notes: string[],
): Promise<void> {
  for (const [name, upstream] of upstreams) {
    const spec = entry.upstreams[name];
    if (typeof spec !== "object" || !("grpc" in spec) || !spec.grpc.awaited) continue;
    const told = (): boolean =>
      upstream.connections().some(({ calls }) => calls?.some((lines) => lines.includes("message:")));
    const deadline = performance.now() + RESPONSE_TIMEOUT_MS;
    while (!told() && performance.now() < deadline) await sleep(20);
    if (!told()) notes.push(`timed out: upstream ${name} was not told anything`);
  }
}

async function open(
  port: number,
  entry: Case,
  step: Step,
  host: string | undefined,
): Promise<OpenConnection | H2Client> {
  const secure = entry.tls !== undefined && !step.tls.plaintext;
  if (step.h2 !== undefined) return openH2(port, secure, step);
  const alone = new Set(entry.steps.map((step) => step.conn)).size === 1;
  const total = alone && entry.expect.status !== undefined ? [entry.expect.status].flat().length : undefined;
  const client = secure ? await connectTls(port, step.tls) : await TcpClient.connect(port, host);
  return { client, sent: "", expected: 0, total };
}

async function openH2(port: number, secure: boolean, step: Step): Promise<H2Client> {
  const offered = step.tls.alpn.length > 0 ? step.tls.alpn : ["h2"];
  const tls = secure ? openTls(port, { ...step.tls, alpn: offered }) : undefined;
  const socket = tls ?? connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const client = new H2Client(socket, secure ? "https" : "http", step.pong);
  if (tls !== undefined) await handshakeOf(tls);
  return client;
}

async function playStep(entry: Case, step: Step, connection: OpenConnection, notes: string[]): Promise<void> {
  const bytes = bytesOf(step);
  if (bytes !== "") {
    connection.sent += bytes;
    await connection.client.send(bytes);
  }
  const { until } = step;
  const seen =
    until === undefined ||
    (await connection.client.waitFor((client) => client.received.includes(until), RESPONSE_TIMEOUT_MS));
  if (!seen) notes.push(`timed out: connection ${step.conn} waits for ${until}`);
  if (step.pause !== undefined) await sleep(step.pause);
  if (step.half_close === true) connection.client.halfClose();
  const read = step.read ?? (bytes === "" || until !== undefined || entry.network !== undefined ? 0 : 1);
  if (typeof read === "number") connection.expected += read;
  if (!(await waitForRead(read, connection)))
    notes.push(`timed out: connection ${step.conn} waits for ${read}`);
  if (step.close === true) connection.client.close();
  if (step.reset === true) connection.client.reset();
}

/** Replaces a file by an atomic move and waits until the proxy has counted an update, good or bad. */
async function replaceFile(
  write: NonNullable<Step["write"]>,
  entry: Case,
  proxy: RunningProxy,
  environment: CaseEnvironment,
): Promise<void> {
  const updates = async (): Promise<string> => {
    const stats = await proxy.stats(entry.dedicated ? "update_" : `${entry.id}.*update_`);
    return [...stats].filter(([name]) => /update_(success|rejected|failure)$/.test(name)).join();
  };
  const before = await updates();
  writeFileSync(join(environment.folder, "new"), fileText(write.content, entry, environment));
  renameSync(join(environment.folder, "new"), join(environment.folder, write.file));
  const deadline = performance.now() + RELOAD_TIMEOUT_MS;
  while ((await updates()) === before && performance.now() < deadline) await sleep(30);
  await sleep(APPLY_MS);
}

async function waitForRead(read: number | string, connection: OpenConnection): Promise<boolean> {
  const { client } = connection;
  if (read === 0) return true;
  if (read === "eof") return client.waitFor(() => client.fate !== "open", RESPONSE_TIMEOUT_MS);
  const has = (count: number) => (): boolean => client.fate !== "open" || finalResponses(connection) >= count;
  if (read !== "quiet") return client.waitFor(has(connection.expected), RESPONSE_TIMEOUT_MS);
  // On a busy machine an answer may come after a silence, so the known number of answers is waited for first.
  if (connection.total === 1) await client.waitFor(has(1), QUIET_TIMEOUT_MS);
  return client.waitFor(() => client.quietFor > 120, RESPONSE_TIMEOUT_MS);
}

/** Waits for what comes after the last response: the end, when it was announced, or else a short silence. */
async function settle(connection: OpenConnection, entry: Case): Promise<void> {
  const last = readAll(connection).messages.at(-1);
  const closes =
    (entry.expect.fate ?? "open") !== "open" ||
    (last !== undefined &&
      (headerValue(last, "connection") === "close" || last.framing === "close" || !last.complete));
  if (closes) await connection.client.waitFor((client) => client.fate !== "open", CLOSE_TIMEOUT_MS);
  else await connection.client.waitFor((client) => client.fate !== "open", 80);
}

function bytesOf(step: Step): string {
  if (step.bytes !== undefined) return step.bytes;
  if (step.lines !== undefined) return `${step.lines.join("\r\n")}\r\n\r\n`;
  const request = step.get === undefined ? step.request : { method: "GET", path: step.get, body: undefined };
  if (request === undefined) return "";
  const lines = [`${request.method} ${request.path} HTTP/1.1`];
  if (!step.headers.some((line) => line.toLowerCase().startsWith("host:"))) lines.push("host: test");
  lines.push(...step.headers);
  if (request.body !== undefined) lines.push(`content-length: ${request.body.length}`);
  return `${lines.join("\r\n")}\r\n\r\n${request.body ?? ""}`;
}

function answersOf(connection: OpenConnection | H2Client): number {
  if (!(connection instanceof H2Client)) return finalResponses(connection);
  return connection.transcript.streams.filter(({ status }) => status > 0).length;
}

function finalResponses(connection: OpenConnection): number {
  return readAll(connection).messages.filter((message) => message.complete && isFinal(message)).length;
}

function isFinal(message: HttpMessage): boolean {
  const status = statusOf(message);
  return status >= 200 || status === 101;
}

/** Splits what a connection received into responses; the requests' methods tell which have no body. */
function readAll(connection: OpenConnection): { messages: HttpMessage[]; rest: string } {
  const text = connection.client.received;
  const ended = connection.client.fate === "eof";
  const methods = [...connection.sent.matchAll(/^([A-Z]+) \S+ HTTP\/1/gm)].map((found) => found[1]!);
  const messages: HttpMessage[] = [];
  let at = 0;
  let finals = 0;
  while (at < text.length && text.startsWith("HTTP/", at)) {
    const message = readHttpMessage(text, at, { ended, method: methods[finals] ?? "GET" });
    if (message === undefined) break;
    messages.push(message);
    at = message.end;
    if (isFinal(message)) finals++;
    if (!message.complete || statusOf(message) === 101) break;
  }
  return { messages, rest: text.slice(at) };
}

function recordOf(name: string, connection: OpenConnection | H2Client): ClientRecord {
  if (connection instanceof H2Client)
    return { name, messages: [], rest: "", fate: connection.fate, h2: connection.transcript };
  return { name, ...readAll(connection), fate: connection.client.fate };
}

async function readStats(entry: Case, proxy: RunningProxy, environment: CaseEnvironment): Promise<string[]> {
  if (entry.stats.length === 0) return [];
  const names = entry.stats.map((name) => expandText(name, entry, environment));
  let before = "";
  for (let i = 0; i < 20; i++) {
    const all = await proxy.stats(entry.dedicated ? "" : entry.id);
    const lines = names.map((name) => `${name}: ${all.get(name) ?? "absent"}`);
    if (lines.join("\n") === before) return lines;
    before = lines.join("\n");
    await sleep(60);
  }
  return before.split("\n");
}

/** Reads the access log once it has a line per answer (a filter may leave out some) and has stopped growing. */
async function readLog(file: string, answered: number): Promise<string[]> {
  let lines: string[] = [];
  let same = 0;
  for (let i = 0; i < 40 && (same < 4 || (lines.length < answered && i < 30)); i++) {
    await sleep(50);
    const text = existsSync(file) ? readFileSync(file, "latin1") : "";
    const now = text.split("\n").filter((line) => line !== "");
    same = now.length > 0 && now.length === lines.length ? same + 1 : 0;
    lines = now;
  }
  return lines;
}

async function askAdmin(
  ask: NonNullable<Step["admin"]>,
  proxy: RunningProxy,
  expandNames: (text: string) => string,
): Promise<Observation["admin"][number]> {
  const path = expandNames(ask.path);
  const response = await fetch(`${proxy.admin}${path}`, { method: ask.method });
  const body = await response.text();
  const lines = [`${response.status}`, `content-type: ${response.headers.get("content-type")}`];
  if (ask.show === "head") {
    for (const [name, value] of response.headers) lines.push(`${name}: ${value}`);
  } else if (ask.show === "keys") lines.push(...keyPaths(JSON.parse(body)));
  else
    lines.push(
      ...body.split("\n").filter((line) => ask.lines === undefined || line.includes(expandNames(ask.lines))),
    );
  return { request: `${ask.method} ${path}`, lines };
}

/** `a.b[].c: string` for every value of a JSON document, sorted, each once. */
function keyPaths(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((item) => keyPaths(item, `${path}[]`)))].sort();
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    return [
      ...new Set(entries.flatMap(([key, item]) => keyPaths(item, path === "" ? key : `${path}.${key}`))),
    ].sort();
  }
  return [`${path}: ${value === null ? "null" : typeof value}`];
}
