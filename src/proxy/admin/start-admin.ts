import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { http } from "../../base/node-http.ts";
import { compileStringMatcher } from "../matcher/string-matcher.ts";
import type { AdminHost } from "./admin-host.ts";
import { AdminQuery } from "./admin-query.ts";
import { TEXT, type AdminEndpoint, type AdminReply } from "./endpoint.ts";
import { ENDPOINTS } from "./endpoints.ts";
import { AdminStats } from "./stats/admin-stats.ts";
import { helpText } from "./help.ts";
import { HistogramIntervals } from "./stats/histogram-intervals.ts";

const MAX_BODY_BYTES = 1 << 20;
/** Envoy's default idle timeout of connections. */
const IDLE_TIMEOUT = 3_600_000;
const DEFAULT_FLUSH_INTERVAL = 5000;

/** Serves the admin endpoints. Rejects if the address cannot be bound. `address` is "ip:port" with the real port. */
export async function startAdmin(
  host: AdminHost,
  bind: { address: string; port: number },
): Promise<{ address: string; close(): Promise<void> }> {
  const intervals = new HistogramIntervals();
  const byPath = new Map(ENDPOINTS.map((endpoint) => [endpoint.path, endpoint]));
  const allowed = pathFilter(host);
  const server = http.createServer((request, response) => {
    answer(host, intervals, byPath, allowed, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy(error as Error);
      else void write(request, response, { status: 500, body: `${(error as Error).message}\n` });
    });
  });
  if (host.store !== undefined) new AdminStats(host.store).count(server);
  server.keepAliveTimeout = IDLE_TIMEOUT;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(bind.port, bind.address, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const flush = setInterval(() => intervals.tick(host.usedHistograms()), flushInterval(host));
  flush.unref();
  const { address, port } = server.address() as AddressInfo;
  return {
    address: address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        clearInterval(flush);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** admin.allow_paths: whole request targets, with the query. */
function pathFilter({ bootstrap }: AdminHost): ((target: string) => boolean) | undefined {
  const matchers = (bootstrap.admin?.allowPaths ?? []).map((matcher) => compileStringMatcher(matcher));
  return matchers.length === 0 ? undefined : (target) => matchers.some((matches) => matches(target));
}

function flushInterval({ bootstrap }: AdminHost): number {
  const given = bootstrap.statsFlushInterval;
  return given === undefined ? DEFAULT_FLUSH_INTERVAL : Number(given.seconds) * 1000 + given.nanos / 1e6;
}

async function answer(
  host: AdminHost,
  intervals: HistogramIntervals,
  byPath: ReadonlyMap<string, AdminEndpoint>,
  allowed: ((target: string) => boolean) | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = request.url!;
  if (allowed !== undefined && !allowed(target)) {
    await write(request, response, { status: 403, body: `request to path ${target} not allowed` });
    return;
  }
  const mark = target.indexOf("?");
  const endpoint = byPath.get(mark < 0 ? target : target.slice(0, mark));
  if (endpoint === undefined) {
    await write(request, response, { status: 404, body: `invalid path. ${helpText(ENDPOINTS)}` });
    return;
  }
  if (endpoint.mutates === true && request.method !== "POST") {
    await write(request, response, {
      status: 405,
      body: `Method ${request.method} not allowed, POST required.`,
    });
    return;
  }
  const body = await readBody(request);
  if (body === undefined) {
    await write(request, response, { status: 413, body: "Payload Too Large" });
    return;
  }
  const query = new AdminQuery(mark < 0 ? "" : target.slice(mark + 1));
  const reply = await endpoint.handle({ host, query, body, intervals, endpoints: ENDPOINTS });
  await write(request, response, reply);
  reply.after?.();
}

/** undefined if it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return length > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString("utf8");
}

async function write(request: IncomingMessage, response: ServerResponse, reply: AdminReply): Promise<void> {
  response.sendDate = false;
  response.removeHeader("connection");
  response.writeHead(reply.status ?? 200, {
    "content-type": reply.contentType ?? TEXT,
    "cache-control": "no-cache, max-age=0",
    "x-content-type-options": "nosniff",
    date: new Date().toUTCString(),
    server: "envoy",
    "transfer-encoding": "chunked",
  });
  if (request.method !== "HEAD") {
    const { body } = reply;
    if (typeof body === "string" || body instanceof Uint8Array) response.write(body);
    else await writePieces(response, body);
  }
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.end(resolve);
  });
}

/** Lets the event loop run after each piece, and waits while the client does not read. */
async function writePieces(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (response.destroyed) return;
    if (piece !== "" && !response.write(piece)) await drained(response);
    // "drain" may come without a turn of the event loop, when the kernel takes all at once.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}
