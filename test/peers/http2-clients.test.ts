import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { makeCertificate } from "../../src/testing/certs.ts";
import { startEchoSite, textFrame } from "../../src/testing/echo-site.ts";
import { freePort } from "../../src/testing/free-port.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import { startProxy } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

// Clients and servers that others wrote speak HTTP/2, TLS and WebSocket through the proxy.

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;
const ca = makeCertificate({ name: "Peers CA", ca: true });
const server = makeCertificate({ name: "server", names: ["DNS:localhost", "IP:127.0.0.1"], issuer: ca });

const TYPES = "type.googleapis.com/envoy.extensions";

/** One proxy with a listener in plaintext and one with TLS and ALPN, both to one upstream. */
async function proxyTo(t: TestContext, port: number, http2Upstream = false) {
  const listener = (name: string, tls: boolean): object => ({
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [
      {
        filters: [
          {
            name: "hcm",
            typed_config: {
              "@type": `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: name,
              http2_protocol_options: { allow_connect: true },
              upgrade_configs: [{ upgrade_type: "websocket" }],
              route_config: {
                virtual_hosts: [
                  {
                    name: "all",
                    domains: ["*"],
                    routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }],
                  },
                ],
              },
              http_filters: [
                { name: "router", typed_config: { "@type": `${TYPES}.filters.http.router.v3.Router` } },
              ],
            },
          },
        ],
        ...(tls && {
          transport_socket: {
            name: "tls",
            typed_config: {
              "@type": `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
              common_tls_context: {
                alpn_protocols: ["h2", "http/1.1"],
                tls_certificates: [
                  {
                    certificate_chain: { inline_string: server.cert },
                    private_key: { inline_string: server.key },
                  },
                ],
              },
            },
          },
        }),
      },
    ],
  });
  const protocol = http2Upstream ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  const cluster = {
    name: "up",
    type: "STATIC",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: protocol,
      },
    },
    load_assignment: {
      cluster_name: "up",
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } },
          ],
        },
      ],
    },
  };
  const proxy = await startProxy("weft", {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {
      listeners: [listener("plain", false), listener("secure", true)],
      clusters: [cluster],
    },
  });
  t.after(() => proxy.stop());
  return { proxy, plain: proxy.ports.get("plain")!, secure: proxy.ports.get("secure")! };
}

async function site(t: TestContext, page = "hello"): Promise<number> {
  const echo = await startEchoSite(page);
  t.after(() => echo.stop());
  return echo.port;
}

peerTest("curl speaks HTTP/2 over TLS and HTTP/1.1 in plaintext", ["curl"], async (t) => {
  const { plain, secure } = await proxyTo(t, await site(t));
  const curl = async (...args: string[]): Promise<string> => {
    const common = ["-s", "-k", "-m", "20", "-w", " %{http_version} %{http_code}"];
    return (await run(findPeer("curl")!, [...common, ...args], { timeout: TIMEOUT_MS })).stdout;
  };
  assert.equal(await curl(`https://127.0.0.1:${secure}/`), "hello 2 200");
  assert.equal(await curl("--http1.1", `https://127.0.0.1:${secure}/`), "hello 1.1 200");
  assert.equal(await curl("--http2-prior-knowledge", `http://127.0.0.1:${plain}/`), "hello 2 200");
  const body = "b".repeat(300_000);
  const file = join(tempDir("curl"), "body");
  writeFileSync(file, body);
  assert.equal(await curl("--data-binary", `@${file}`, `https://127.0.0.1:${secure}/echo`), `${body} 2 200`);
});

peerTest("h2load's requests over TLS all succeed", ["h2load"], async (t) => {
  const { secure } = await proxyTo(t, await site(t));
  const args = ["-n", "1000", "-c", "4", "-m", "10", `https://127.0.0.1:${secure}/`];
  const { stdout } = await run(findPeer("h2load")!, args, { timeout: TIMEOUT_MS });
  assert.match(stdout, /1000 succeeded, 0 failed, 0 errored/);
  assert.match(stdout, /Application protocol: h2/);
});

peerTest("WebSockets of Node echo over HTTP/1.1 and over HTTP/2", [], async (t) => {
  const { plain, secure } = await proxyTo(t, await site(t));
  const socket = new WebSocket(`ws://127.0.0.1:${plain}/chat`);
  const answer = new Promise<string>((resolve, reject) => {
    socket.onopen = () => socket.send("over h1");
    socket.onmessage = ({ data }) => resolve(String(data));
    socket.onerror = () => reject(new Error("the WebSocket failed"));
  });
  assert.equal(await answer, "over h1");
  socket.close();

  const session = connect(`https://127.0.0.1:${secure}`, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  await new Promise<void>((resolve) => session.once("remoteSettings", () => resolve()));
  const stream = session.request({
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":path": "/chat",
    ":authority": "localhost",
    ":scheme": "https",
    "sec-websocket-version": "13",
  });
  const status = new Promise((resolve) => stream.once("response", (headers) => resolve(headers[":status"])));
  assert.equal(await status, 200);
  const echoed = new Promise<Buffer>((resolve) => stream.once("data", resolve));
  stream.write(textFrame("over h2"));
  assert.equal((await echoed).subarray(2).toString(), "over h2");
  stream.close();
});

peerTest("nginx is an upstream over HTTP/1.1 and over HTTP/2", ["nginx", "curl"], async (t) => {
  const folder = tempDir("nginx");
  mkdirSync(join(folder, "logs"));
  const [one, two] = [await freePort(), await freePort()];
  writeFileSync(join(folder, "index.html"), "from nginx");
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; ${process.getuid?.() === 0 ? "user root;" : ""} worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log; events {}
     http { access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
       uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
       server { listen 127.0.0.1:${one}; root ${folder}; }
       server { listen 127.0.0.1:${two} http2; root ${folder}; } }`,
  );
  const nginx = new ManagedProcess(findPeer("nginx")!, ["-p", folder, "-c", join(folder, "nginx.conf")]);
  t.after(() => nginx.stop());
  await waitUntil("nginx listens", async () => {
    return await fetch(`http://127.0.0.1:${one}/`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  for (const [port, http2] of [
    [one, false],
    [two, true],
  ] as const) {
    const { secure, proxy } = await proxyTo(t, port, http2);
    const args = ["-s", "-k", "-m", "20", "-w", " %{http_version}", `https://127.0.0.1:${secure}/index.html`];
    const { stdout } = await run(findPeer("curl")!, args, { timeout: TIMEOUT_MS });
    assert.equal(stdout, "from nginx 2");
    const stats = await proxy.stats("upstream_cx_http2_total");
    assert.equal(stats.get("cluster.up.upstream_cx_http2_total"), http2 ? 1 : 0);
  }
});

const PAGE = `<!doctype html><title>t</title><script>
  const seen = [performance.getEntriesByType("navigation")[0].nextHopProtocol];
  const report = (what) => {
    seen.push(what);
    fetch("/report", { method: "POST", body: seen.join(" ") });
  };
  fetch("/echo", { method: "POST", body: "fetched" }).then((answer) => answer.text()).then((text) => {
    seen.push(text);
    const socket = new WebSocket("wss://" + location.host + "/chat");
    socket.onopen = () => socket.send("chatted");
    socket.onmessage = ({ data }) => report(data);
    socket.onerror = () => report("failed");
  });
</script>`;

peerTest("Chromium loads a page, posts and chats over HTTP/2 and TLS", ["chromium"], async (t) => {
  const echo = await startEchoSite(PAGE);
  t.after(() => echo.stop());
  const { secure, proxy } = await proxyTo(t, echo.port);
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  args.push(
    "--ignore-certificate-errors",
    `--user-data-dir=${tempDir("chromium")}`,
    "--remote-debugging-port=0",
  );
  const browser = new ManagedProcess(findPeer("chromium")!, [...args, `https://127.0.0.1:${secure}/`]);
  t.after(() => browser.stop());
  await waitUntil("the page's report", () => echo.reports.length > 0, TIMEOUT_MS);
  assert.deepEqual(echo.reports, ["h2 fetched chatted"]);
  const stats = await proxy.stats("http.secure.downstream_cx");
  assert.ok(Number(stats.get("http.secure.downstream_cx_http2_total")) >= 1);
});
