import assert from "node:assert/strict";
import { connect as connectTcp, type AddressInfo, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import { create, encode } from "../../proto/registry.ts";
import { makeCertificate } from "../../testing/certs.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import type { HostSpec } from "../../proxy/link.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";

const harnesses: WorkerHarness[] = [];
const servers: Server[] = [];
const sockets: Socket[] = [];
after(() => {
  for (const harness of harnesses) harness.close();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

const ca = makeCertificate({ name: "Test CA", ca: true });
const own = makeCertificate({ name: "host", names: ["DNS:a.example", "DNS:*.wild.example"], issuer: ca });
const client = makeCertificate({ name: "client", issuer: ca });
const inline = (text: string): object => ({ inline_string: text });
const TRUST = { validation_context: { trusted_ca: inline(ca.cert) } };

/** A host that answers each request with what it saw of the handshake, and closes if told so. */
async function host(options: TlsOptions = {}): Promise<number> {
  const settings = { cert: own.cert, key: own.key, ...options };
  const server = createServer(settings, (socket: TLSSocket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      const seen = [
        socket.getProtocol(),
        socket.servername || "-",
        socket.alpnProtocol || "-",
        socket.isSessionReused() ? "reused" : "full",
        socket.getPeerCertificate().subject?.CN ?? "-",
      ].join(" ");
      const close = data.toString().includes("GET /close") ? "connection: close\r\n" : "";
      socket.write(`HTTP/1.1 200 OK\r\n${close}content-length: ${seen.length}\r\n\r\n${seen}`);
      if (close !== "") socket.end();
    });
  });
  server.on("connection", (socket: Socket) => sockets.push(socket));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

async function proxy(
  port: number,
  tls: object,
  cluster: object = {},
): Promise<{ port: number; harness: WorkerHarness; hosts: readonly HostSpec[] }> {
  const harness = new WorkerHarness();
  harnesses.push(harness);
  const hosts = harness.cluster(
    JSON.stringify({
      name: "up",
      type: "STATIC",
      connect_timeout: "0.3s",
      transport_socket: {
        name: "tls",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
          ...tls,
        },
      },
      ...cluster,
    }),
    [port],
  );
  const http_filters = [
    {
      name: "router",
      typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    },
  ];
  const route = { match: { prefix: "/" }, route: { cluster: "up" } };
  const typed_config = {
    "@type": HCM,
    stat_prefix: "in",
    route_config: {
      virtual_hosts: [
        {
          name: "v",
          domains: ["*"],
          response_headers_to_add: [
            { header: { key: "x-tls", value: "%UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_SUBJECT%" } },
            { header: { key: "x-why", value: "%RESPONSE_CODE_DETAILS%" } },
          ],
          routes: [route],
        },
      ],
    },
    http_filters,
  };
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  const filters = [{ name: "hcm", typed_config }];
  return {
    harness,
    hosts,
    port: await harness.listen(JSON.stringify({ name: "l", address, filter_chains: [{ filters }] })),
  };
}

async function ask(port: number, path = "/", authority = "test"): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  let text = "";
  let ended = false;
  socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  socket.on("close", () => (ended = true));
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${authority}\r\nconnection: close\r\n\r\n`);
  await waitUntil("an answer", () => ended, 3000, 2);
  return text;
}

describe("upstreamTls", () => {
  it("sends the server name, offers http/1.1, shows its certificate and stops at TLS 1.2 by default", async () => {
    const up = await host({
      ca: ca.cert,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ["http/1.1"],
    });
    const { port, harness } = await proxy(up, {
      sni: "a.example",
      common_tls_context: {
        ...TRUST,
        tls_certificates: [{ certificate_chain: inline(client.cert), private_key: inline(client.key) }],
      },
    });
    const answer = await ask(port);
    assert.match(answer, /TLSv1\.2 a\.example http\/1\.1 full client$/);
    assert.match(answer, /x-tls: TLSv1\.2 CN=host\r/);
    await waitUntil("stats", () => harness.stat("cluster.up.ssl.handshake") === 1);
    assert.equal(harness.stat("cluster.up.ssl.versions.TLSv1.2"), 1);
    assert.equal(harness.stat("cluster.up.ssl.curves.X25519"), 1);
    assert.equal(harness.stat("cluster.up.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
  });

  for (const version of ["TLSv1_2", "TLSv1_3"]) {
    it(`resumes sessions of ${version}`, async () => {
      const up = await host();
      const { port, harness } = await proxy(up, {
        sni: "a.example",
        common_tls_context: { ...TRUST, tls_params: { tls_maximum_protocol_version: version } },
      });
      assert.match(await ask(port, "/close"), / full -$/);
      assert.match(await ask(port, "/close"), / reused -$/);
      assert.match(await ask(port, "/close"), / reused -$/);
      await waitUntil("stats", () => harness.stat("cluster.up.ssl.session_reused") === 2);
    });
  }

  it("resumes nothing without session keys", async () => {
    const { port } = await proxy(await host(), { max_session_keys: 0, sni: "a.example" });
    await ask(port, "/close");
    assert.match(await ask(port, "/close"), / full -$/);
  });

  for (const [what, context, stat, text] of [
    [
      "an untrusted certificate",
      { trusted_ca: inline(client.cert) },
      "fail_verify_error",
      /CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate:TLS_error_end/,
    ],
    [
      "other names",
      {
        trusted_ca: inline(ca.cert),
        match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "b.example" } }],
      },
      "fail_verify_san",
      /verify_cert_failed:_SAN_matcher,_certificate_SANs_are_\[a\.example,_\*\.wild\.example\]:TLS_error_end/,
    ],
    [
      "another hash",
      { verify_certificate_hash: ["00".repeat(32)] },
      "fail_verify_cert_hash",
      /verify_cert_failed/,
    ],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { port, harness } = await proxy(await host(), {
        common_tls_context: { validation_context: context },
      });
      const answer = await ask(port);
      assert.match(answer, /^HTTP\/1\.1 503 /);
      assert.match(answer, /reset reason: remote connection failure$/);
      assert.match(answer, text);
      await waitUntil("stats", () => harness.stat(`cluster.up.ssl.${stat}`) === 1);
      assert.equal(harness.stat("cluster.up.ssl.handshake"), 0);
      assert.equal(harness.stat("cluster.up.upstream_cx_connect_fail"), 1);
      assert.match(await ask(port), /^HTTP\/1\.1 503 /, "its session is not resumed either");
    });
  }

  it("takes the server name from the request and checks it, with a pool per name", async () => {
    const up = await host();
    const { port, harness } = await proxy(
      up,
      { common_tls_context: TRUST },
      {
        typed_extension_protocol_options: {
          [OPTIONS]: {
            "@type": `type.googleapis.com/${OPTIONS}`,
            explicit_http_config: { http_protocol_options: {} },
            upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true },
          },
        },
      },
    );
    assert.match(await ask(port, "/", "a.example:8443"), /TLSv1\.2 a\.example /);
    assert.match(await ask(port, "/", "x.wild.example"), /TLSv1\.2 x\.wild\.example /);
    assert.match(await ask(port, "/", "c.example"), /verify_SAN_list/);
    assert.match(await ask(port, "/", "127.0.0.1"), /TLSv1\.2 - /);
    await waitUntil("stats", () => harness.stat("cluster.up.upstream_cx_total") === 4);
  });

  it("chooses the transport socket by endpoint metadata", async () => {
    const up = await host();
    const tls = {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    };
    const raw = { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" };
    const { port, harness, hosts } = await proxy(
      up,
      {},
      {
        transport_socket: undefined,
        transport_socket_matches: [
          {
            name: "secure",
            match: { mtls: true },
            transport_socket: { name: "tls", typed_config: { ...tls, sni: "matched.example" } },
          },
          { name: "rest", match: {}, transport_socket: { name: "raw", typed_config: raw } },
        ],
      },
    );
    // Plaintext at first: the host of the harness has no metadata.
    assert.match(await ask(port), /^HTTP\/1\.1 503 /);
    const metadata = encode(
      "envoy.config.core.v3.Metadata",
      create("envoy.config.core.v3.Metadata", {
        filterMetadata: { "envoy.transport_socket_match": { mtls: true } },
      }),
    );
    const secure = hosts.map((each) => ({ ...each, metadata }));
    harness.send({ kind: "hosts", cluster: "up", hosts: secure, overprovisioning: 140 });
    assert.match(await ask(port), /TLSv1\.2 matched\.example /);
  });

  it("counts the handshake as part of the connection's timeout", async () => {
    const silent = createServer({ cert: own.cert, key: own.key });
    servers.push(silent);
    silent.removeAllListeners("connection");
    silent.on("connection", (socket: Socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port, harness } = await proxy((silent.address() as AddressInfo).port, {});
    assert.match(await ask(port), /reset reason: connection timeout$/);
    assert.equal(harness.stat("cluster.up.upstream_cx_connect_timeout"), 1);
  });
});
