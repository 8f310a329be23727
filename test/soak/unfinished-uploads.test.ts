// Answers that come before the request is complete: the rest of the body must neither pile up in the proxy nor end up
// in front of another request on a connection to an upstream.
import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import { Readable } from "node:stream";
import test, { type TestContext } from "node:test";
import { listener, routesTo, staticCluster } from "../../src/testing/proxy-config.ts";
import { startProxy, type RunningProxy } from "../../src/testing/start-proxy.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const UPLOADS = 10;
const BODY = 16 * 1024 * 1024;
const TYPES = "type.googleapis.com/envoy.extensions";
const ROUTER = { name: "router", typed_config: { "@type": `${TYPES}.filters.http.router.v3.Router` } };
/** Filters that hold the body until it is complete, and refuse one that is too large. */
const HOLDING = {
  buffer: {
    name: "buffer",
    typed_config: { "@type": `${TYPES}.filters.http.buffer.v3.Buffer`, max_request_bytes: 65_536 },
  },
  ext_authz: {
    name: "ext_authz",
    typed_config: {
      "@type": `${TYPES}.filters.http.ext_authz.v3.ExtAuthz`,
      http_service: { server_uri: { uri: "http://auth", cluster: "up", timeout: "5s" } },
      with_request_body: { max_request_bytes: 65_536 },
    },
  },
};

for (const client of ["h1", "h2"] as const) {
  for (const [name, filter] of Object.entries(HOLDING)) {
    test(`${client}: ${name} refuses uploads that are too large and keeps none of them`, async (t) => {
      const upstream = await startEarly(t, "h1");
      const proxy = await start(t, { http_filters: [filter, ROUTER] }, upstream);
      const upload = uploaderOf(t, client, proxy.ports.get("l")!);
      const statuses = await Promise.all(Array.from({ length: UPLOADS }, upload));
      assert.deepEqual(new Set(statuses), new Set([413]));
      await nothingLeft(proxy);
      assert.deepEqual(upstream.requests, []);
    });
  }

  for (const protocol of ["h1", "h2"] as const) {
    test(`${client} to ${protocol}: what answers early gets no other request in the middle of a body`, async (t) => {
      const upstream = await startEarly(t, protocol);
      const proxy = await start(t, {}, upstream, protocol);
      const upload = uploaderOf(t, client, proxy.ports.get("l")!);
      for (let i = 0; i < UPLOADS; i++) {
        assert.equal(await upload(), 200);
        const after = await fetch(`http://127.0.0.1:${proxy.ports.get("l")}/after`);
        assert.equal(after.status, 200);
        assert.equal(await after.text(), "ok");
      }
      await nothingLeft(proxy);
      assert.equal(upstream.requests.filter((method) => method === "POST").length, UPLOADS);
      assert.equal(upstream.requests.filter((method) => method === "GET").length, UPLOADS);
      assert.deepEqual(upstream.broken, []);
    });
  }
}

interface EarlyUpstream {
  readonly port: number;
  /** Methods, in the order in which heads came. */
  readonly requests: string[];
  /** What went wrong. */
  readonly broken: string[];
}

async function start(
  t: TestContext,
  more: object,
  { port }: EarlyUpstream,
  protocol = "h1",
): Promise<RunningProxy> {
  const options = { "@type": `${TYPES}.upstreams.http.v3.HttpProtocolOptions` };
  const cluster = {
    ...staticCluster("up", port),
    ...(protocol === "h2" && {
      typed_extension_protocol_options: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          ...options,
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    }),
  };
  const l = listener("l", { route_config: routesTo("up") }) as {
    filter_chains: { filters: { typed_config: object }[] }[];
  };
  Object.assign(l.filter_chains[0]!.filters[0]!.typed_config, more);
  const proxy = await startProxy("weft", {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: { listeners: [l], clusters: [cluster] },
  });
  t.after(() => proxy.stop());
  return proxy;
}

/** Answers as soon as the head is there and reads no body. */
async function startEarly(t: TestContext, protocol: string): Promise<EarlyUpstream> {
  const state = { port: 0, requests: [] as string[], broken: [] as string[] };
  const server =
    protocol === "h1"
      ? createServer((socket) => {
          socket.on("error", () => {});
          socket.on("data", (bytes) => {
            const head = /^([A-Z]+) \/\S* HTTP\/1\.1\r\n[^]*?\r\n\r\n/.exec(bytes.toString("latin1"));
            if (head === null) return void state.broken.push(`no head: ${bytes.toString("latin1", 0, 40)}`);
            state.requests.push(head[1]!);
            socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            if (head[1] === "POST") socket.pause();
          });
        })
      : http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
          stream.on("error", () => {});
          state.requests.push(headers[":method"]!);
          stream.respond({ ":status": 200 });
          stream.end("ok");
        });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  state.port = (server.address() as AddressInfo).port;
  return state;
}

/** Returns what uploads a large body and resolves with the status; writing stops when the answer has come. */
function uploaderOf(t: TestContext, client: "h1" | "h2", port: number): () => Promise<number> {
  if (client === "h1") {
    return () =>
      new Promise((resolve, reject) => {
        const headers = { "content-length": BODY };
        const request = http.request({ port, host: "127.0.0.1", method: "POST", headers, agent: false });
        let status = 0;
        request.on("response", (response) => {
          status = response.statusCode!;
          response.on("error", () => {});
          response.resume();
          resolve(status);
          request.destroy();
        });
        request.on("error", (error) => {
          if (status === 0) reject(error);
        });
        body().pipe(request);
      });
  }
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  t.after(() => session.destroy());
  return () =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":path": "/", ":method": "POST" });
      let status = 0;
      stream.on("response", (headers) => {
        status = headers[":status"]!;
        stream.resume();
        resolve(status);
      });
      stream.on("error", (error) => {
        if (status === 0) reject(error);
      });
      body()
        .on("error", () => {})
        .pipe(stream);
    });
}

/** A body in pieces of 64 KB. */
function body(): Readable {
  const piece = Buffer.alloc(65_536, "x");
  let left = BODY;
  return new Readable({
    highWaterMark: piece.length,
    read() {
      left -= piece.length;
      this.push(left >= 0 ? piece : null);
    },
  });
}

async function nothingLeft(proxy: RunningProxy): Promise<void> {
  await waitUntil(
    "all requests to end",
    async () => {
      const stats = await proxy.stats("rq_active$");
      return [...stats].every(([name, value]) => value === 0 || name.includes("admin"));
    },
    10_000,
  );
}
