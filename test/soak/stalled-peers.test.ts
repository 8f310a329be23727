// Peers that stop reading in the middle of large bodies: the proxy must stop reading from the other side instead of
// keeping what comes, and lose nothing when they go on. WEFT_SOAK_SECONDS makes the bodies larger.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCertificate } from "../../src/testing/certs.ts";
import { listener, routesTo, staticCluster } from "../../src/testing/proxy-config.ts";
import { startProxy } from "../../src/testing/start-proxy.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const LARGE = process.env["WEFT_SOAK_SECONDS"] !== undefined;
const CONNECTIONS = LARGE ? 40 : 10;
const BODY = (LARGE ? 64 : 16) * 1024 * 1024;
/** What a stalled exchange may cost: both buffers at their limit, and what the codecs hold. */
const PER_CONNECTION = 4 * 1024 * 1024;
/** What the process may grow by for other reasons. */
const SLACK = 60 * 1024 * 1024;

type Protocol = "h1" | "h2";
const WINDOWS = { initial_stream_window_size: 65_536, initial_connection_window_size: 65_536 };
const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

const CASES = [
  ["h1", "h1", ""], ["h1", "h2", ""], ["h2", "h1", ""], ["h2", "h2", ""], ["h1", "h1", " over TLS"], ["h2", "h2", " over TLS"],
] as const; // prettier-ignore

for (const [downstream, upstream, security] of CASES) {
  const title = `${downstream}${security} to ${upstream}`;
  test(`${title}: a client that stops reading`, async (t) => {
    const bench = await start(t, downstream, upstream, security !== "");
    const bodies = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => bench.client.download(bench.port)),
    );
    await bench.assertStalled(() => bench.server.sent);
    const sizes = await Promise.all(bodies.map((body) => sizeOf(body)));
    assert.deepEqual(new Set(sizes), new Set([BODY]));
  });

  test(`${title}: an upstream that stops reading`, async (t) => {
    const bench = await start(t, downstream, upstream, security !== "");
    const answers = Array.from({ length: CONNECTIONS }, () => bench.client.upload(bench.port));
    await waitUntil("all requests", () => bench.server.held.length === CONNECTIONS, 20_000);
    await bench.assertStalled(() => bench.client.sent);
    for (const goOn of bench.server.held) goOn();
    assert.deepEqual(new Set(await Promise.all(answers)), new Set([String(BODY)]));
  });
}

interface Bench {
  readonly port: number;
  readonly client: Client;
  readonly server: Server;
  /** Waits until nothing flows, and checks that it is not because all has flowed into the proxy. */
  assertStalled(sent: () => number): Promise<void>;
}

async function start(
  t: TestContext,
  downstream: Protocol,
  upstream: Protocol,
  secure: boolean,
): Promise<Bench> {
  const server = await startServer(t, upstream);
  const http2_protocol_options = WINDOWS;
  const cluster = {
    ...staticCluster("up", server.port),
    ...(upstream === "h2" && {
      typed_extension_protocol_options: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": OPTIONS,
          explicit_http_config: { http2_protocol_options },
        },
      },
    }),
  };
  const proxy = await startProxy("weft", {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {
      listeners: [secured(listener("l", { route_config: routesTo("up"), http2_protocol_options }), secure)],
      clusters: [cluster],
    },
  });
  t.after(() => proxy.stop());
  const client = downstream === "h1" ? new Http1Client(secure) : new Http2Client(secure);
  t.after(() => client.close());
  const port = proxy.ports.get("l")!;
  const before = residentBytes(proxy.process.pid);
  return {
    port,
    client,
    server,
    async assertStalled(sent) {
      let last = -1;
      await waitUntil(
        "the flow to stop",
        async () => {
          const now = sent();
          const same = now === last && now > 0;
          last = now;
          await sleep(500);
          return same && sent() === now;
        },
        60_000,
      );
      assert.ok(sent() < CONNECTIONS * BODY, "all was sent although nobody reads");
      const grown = residentBytes(proxy.process.pid) - before;
      t.diagnostic(
        `${Math.round(grown / 1e6)} MB more with ${CONNECTIONS} stalled bodies of ${BODY / 1e6} MB`,
      );
      assert.ok(grown < CONNECTIONS * PER_CONNECTION + SLACK, `grown by ${grown} bytes`);
    },
  };
}

/** The listener with TLS, if it is to have any. */
function secured(plain: object, secure: boolean): object {
  if (!secure) return plain;
  const { cert, key } = makeCertificate({ name: "stalled", names: ["IP:127.0.0.1"] });
  const tls_certificates = [
    { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
  ];
  const common_tls_context = { tls_certificates, alpn_protocols: ["h2", "http/1.1"] };
  const transport_socket = { name: "tls", typed_config: { "@type": TLS, common_tls_context } };
  const { filter_chains: chains } = plain as { filter_chains: object[] };
  return { ...plain, filter_chains: chains.map((chain) => ({ ...chain, transport_socket })) };
}

interface Client {
  /** Bytes of bodies that were taken from us. */
  readonly sent: number;
  /** A response whose body nobody reads yet. */
  download(port: number): Promise<Readable>;
  /** Resolves with the answer's body. */
  upload(port: number): Promise<string>;
  close(): void;
}

class Http1Client implements Client {
  sent = 0;
  readonly #http: typeof http | typeof https;
  readonly #agent: http.Agent;

  constructor(secure: boolean) {
    this.#http = secure ? https : http;
    this.#agent = new this.#http.Agent({ keepAlive: false, rejectUnauthorized: false });
  }

  download(port: number): Promise<Readable> {
    return new Promise((resolve, reject) => {
      this.#http.get({ port, host: "127.0.0.1", path: "/", agent: this.#agent }, resolve).on("error", reject);
    });
  }

  upload(port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { "content-length": BODY };
      const options = { port, host: "127.0.0.1", path: "/", method: "POST", headers, agent: this.#agent };
      const request = this.#http.request(options, (response) => resolve(textOf(response)));
      request.on("error", reject);
      body((bytes) => (this.sent += bytes)).pipe(request);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

class Http2Client implements Client {
  sent = 0;
  readonly #sessions: http2.ClientHttp2Session[] = [];
  readonly #scheme: string;

  constructor(secure: boolean) {
    this.#scheme = secure ? "https" : "http";
  }

  download(port: number): Promise<Readable> {
    const stream = this.#connect(port).request({ ":path": "/" });
    return new Promise((resolve, reject) => {
      stream.on("response", () => resolve(stream));
      stream.on("error", reject);
    });
  }

  upload(port: number): Promise<string> {
    const stream = this.#connect(port).request({ ":path": "/", ":method": "POST" });
    body((bytes) => (this.sent += bytes)).pipe(stream);
    return textOf(stream);
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #connect(port: number): http2.ClientHttp2Session {
    const session = http2.connect(`${this.#scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    session.on("error", () => {});
    this.#sessions.push(session);
    return session;
  }
}

interface Server {
  readonly port: number;
  /** Bytes of bodies that were taken from us. */
  readonly sent: number;
  /** Uploads that are not read until these are called. */
  readonly held: (() => void)[];
}

/** GET: a large body. POST: reads nothing until it is told to, then answers how much there was. */
async function startServer(t: TestContext, protocol: Protocol): Promise<Server> {
  const state = { port: 0, sent: 0, held: [] as (() => void)[] };
  const answer = (method: unknown, request: Readable, response: NodeJS.WritableStream): void => {
    if (method === "GET") body((bytes) => (state.sent += bytes)).pipe(response);
    else state.held.push(() => void sizeOf(request).then((size) => response.end(String(size))));
  };
  const server =
    protocol === "h1"
      ? http.createServer((request, response) => answer(request.method, request, response))
      : http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
          stream.respond({ ":status": 200 });
          // Node may otherwise reset a stream whose request is not read to its end instead of ending it.
          if (headers[":method"] === "GET") stream.resume();
          answer(headers[":method"], stream, stream);
        });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  state.port = (server.address() as AddressInfo).port;
  return state;
}

/** A body in pieces of 64 KB. @param onPiece called with the size of each that is taken */
function body(onPiece: (bytes: number) => void): Readable {
  const piece = Buffer.alloc(65_536, "x");
  let left = BODY;
  return new Readable({
    highWaterMark: piece.length,
    read() {
      if (left === 0) return void this.push(null);
      left -= piece.length;
      onPiece(piece.length);
      this.push(piece);
    },
  });
}

async function sizeOf(stream: Readable): Promise<number> {
  let size = 0;
  for await (const chunk of stream) size += (chunk as Buffer).length;
  return size;
}

async function textOf(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
