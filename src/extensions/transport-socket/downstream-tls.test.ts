import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, mkdirSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { makeCertificate, type TestCertificate } from "../../testing/certs.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-tls-"));
const harnesses: WorkerHarness[] = [];
after(() => {
  for (const harness of harnesses) harness.close();
  rmSync(folder, { recursive: true });
});

const ca = makeCertificate({ name: "Test CA", ca: true });
const server = makeCertificate({
  name: "server",
  names: ["DNS:a.example", "DNS:*.wild.example"],
  issuer: ca,
});
const client = makeCertificate({
  name: "client",
  names: ["URI:spiffe://td/client", "DNS:client.local"],
  issuer: ca,
});
const stranger = makeCertificate({ name: "stranger", names: ["URI:spiffe://td/client"] });

const inline = (text: string): object => ({ inline_string: text });
const pair = ({ cert, key }: TestCertificate): object => ({
  certificate_chain: inline(cert),
  private_key: inline(key),
});

interface Setup {
  readonly tls?: object;
  readonly common?: object;
  readonly chains?: readonly object[];
  readonly listener?: object;
  readonly hcm?: object;
  readonly log?: string;
}

function chainOf({ tls = {}, common = {}, hcm = {} }: Setup, body = "ok", more: object = {}): object {
  const HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
  return {
    name: body,
    transport_socket: {
      name: "tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        ...tls,
        common_tls_context: { tls_certificates: [pair(server)], ...common },
      },
    },
    filters: [
      {
        name: "hcm",
        typed_config: {
          "@type": `type.googleapis.com/${HCM}`,
          stat_prefix: "in",
          route_config: {
            virtual_hosts: [
              {
                name: "v",
                domains: ["*"],
                routes: [
                  {
                    match: { prefix: "/" },
                    response_headers_to_add: Object.entries(OPERATORS).map(([key, value]) => ({
                      header: { key, value },
                    })),
                    direct_response: { status: 200, body: { inline_string: body } },
                  },
                ],
              },
            ],
          },
          http_filters: [
            {
              name: "router",
              typed_config: {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
              },
            },
          ],
          ...hcm,
        },
      },
    ],
    ...more,
  };
}

const OPERATORS = {
  "x-version": "%DOWNSTREAM_TLS_VERSION%",
  "x-cipher": "%DOWNSTREAM_TLS_CIPHER%",
  "x-sni": "%REQUESTED_SERVER_NAME%",
  "x-peer": "%DOWNSTREAM_PEER_SUBJECT%|%DOWNSTREAM_PEER_ISSUER%|%DOWNSTREAM_PEER_URI_SAN%",
  "x-local": "%DOWNSTREAM_LOCAL_SUBJECT%",
};

async function listen(setup: Setup): Promise<{ port: number; harness: WorkerHarness }> {
  const harness = new WorkerHarness();
  harnesses.push(harness);
  const port = await harness.listen(
    JSON.stringify({
      name: "l",
      stat_prefix: "l",
      address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
      filter_chains: setup.chains ?? [chainOf(setup)],
      ...setup.listener,
    }),
  );
  return { port, harness };
}

const INSPECTOR = {
  listener_filters: [
    {
      name: "tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
      },
    },
  ],
};

interface Answer {
  /** Whole response, or why there is none. */
  readonly text: string;
  readonly reused: boolean;
  readonly commonName: string;
  readonly session: Buffer | undefined;
}

/** One request over TLS. */
async function ask(port: number, options: ConnectionOptions = {}): Promise<Answer> {
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  let text = "";
  let commonName = "";
  let session: Buffer | undefined;
  let done = false;
  socket.on("session", (ticket) => (session = ticket));
  socket.on("secureConnect", () => {
    commonName = socket.getPeerCertificate().subject?.CN?.toString() ?? "";
    socket.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
  });
  socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  socket.on("error", (error: NodeJS.ErrnoException) => (text ||= error.code ?? error.message));
  socket.on("close", () => (done = true));
  await waitUntil("an answer", () => done || /\r\n\r\n.+$/s.test(text), 3000, 2);
  const reused = done ? false : socket.isSessionReused();
  socket.destroy();
  return { text, reused, commonName, session };
}

function header(answer: Answer, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)\r$`, "m").exec(answer.text)?.[1];
}

describe("downstreamTls", () => {
  it("serves HTTP over TLS 1.3 and 1.2 and counts handshakes", async () => {
    const { port, harness } = await listen({ listener: INSPECTOR });
    const newest = await ask(port, { servername: "a.example", minVersion: "TLSv1.3" });
    assert.equal(header(newest, "x-version"), "TLSv1.3");
    assert.equal(header(newest, "x-sni"), "a.example");
    assert.equal(header(newest, "x-peer"), "||");
    assert.equal(header(newest, "x-local"), "CN=server");
    const older = await ask(port, { maxVersion: "TLSv1.2" });
    assert.equal(header(older, "x-version"), "TLSv1.2");
    assert.equal(header(older, "x-cipher"), "ECDHE-ECDSA-AES128-GCM-SHA256");
    await waitUntil("stats", () => harness.stat("listener.l.ssl.handshake") === 2);
    assert.equal(harness.stat("listener.l.ssl.versions.TLSv1.2"), 1);
    assert.equal(harness.stat("listener.l.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
    assert.equal(harness.stat("listener.l.ssl.no_certificate"), 2);
    assert.equal(harness.stat("http.in.downstream_cx_ssl_total"), 2);
    assert.ok(
      harness.stat("listener.l.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds") > 1e9,
    );
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it(`resumes sessions of ${version}`, async () => {
      const { port, harness } = await listen({ common: { alpn_protocols: ["http/1.1"] } });
      const only = { minVersion: version, maxVersion: version, servername: "a.example" };
      const first = await ask(port, only);
      assert.equal(first.reused, false);
      const second = await ask(port, { ...only, session: first.session! });
      assert.equal(second.reused, true);
      await waitUntil("stats", () => harness.stat("listener.l.ssl.session_reused") === 1);
      const third = await ask(port, only);
      assert.equal(third.reused, false);
    });
  }

  it("resumes sessions of another proxy that has the same session_ticket_keys", async () => {
    const keys = (text: string) => ({ session_ticket_keys: { keys: [inline(text.repeat(80))] } });
    const [one, same, other] = [
      await listen({ tls: keys("k") }),
      await listen({ tls: keys("k") }),
      await listen({ tls: keys("o") }),
    ];
    const { session } = await ask(one.port);
    assert.equal((await ask(same.port, { session: session! })).reused, true);
    assert.equal((await ask(other.port, { session: session! })).reused, false);
  });

  it("asks for client certificates and checks their chain and names", async () => {
    const validation_context = {
      trusted_ca: inline(ca.cert),
      match_typed_subject_alt_names: [{ san_type: "URI", matcher: { prefix: "spiffe://td/" } }],
    };
    const { port, harness } = await listen({
      tls: { require_client_certificate: true },
      common: { validation_context },
    });
    const good = await ask(port, { cert: client.cert, key: client.key });
    assert.equal(header(good, "x-peer"), "CN=client|CN=Test CA|spiffe://td/client");
    for (const [options, stat] of [
      [{}, "fail_verify_no_cert"],
      [{ cert: stranger.cert, key: stranger.key }, "fail_verify_error"],
      [{ cert: server.cert, key: server.key }, "fail_verify_san"],
    ] as const) {
      const { text } = await ask(port, options);
      assert.doesNotMatch(text, /HTTP/);
      await waitUntil(stat, () => harness.stat(`listener.l.ssl.${stat}`) === 1);
    }
    assert.equal(harness.stat("listener.l.ssl.handshake"), 1);
    await waitUntil("no connection", () => harness.stat("listener.l.downstream_cx_active") === 0);
  });

  it("resumes sessions of clients with certificates", async () => {
    const { port } = await listen({
      tls: { require_client_certificate: true },
      common: { validation_context: { trusted_ca: inline(ca.cert) } },
    });
    const identity = { cert: client.cert, key: client.key, servername: "a.example" };
    const first = await ask(port, identity);
    const second = await ask(port, { ...identity, session: first.session! });
    assert.equal(second.reused, true);
    assert.match(header(second, "x-peer")!, /^CN=client\|/);
  });

  it("chooses certificates by server name", async () => {
    const other = makeCertificate({ name: "other", names: ["DNS:b.example"], issuer: ca });
    const { port } = await listen({ common: { tls_certificates: [pair(server), pair(other)] } });
    const shown = async (servername?: string) =>
      (await ask(port, servername === undefined ? {} : { servername })).commonName;
    assert.equal(await shown("b.example"), "other");
    assert.equal(await shown("x.wild.example"), "server");
    assert.equal(await shown("nobody.example"), "server");
    assert.equal(await shown(), "server");
  });

  it("chooses filter chains by server name, protocol and transport", async () => {
    const match = (criteria: object): object => ({ filter_chain_match: criteria });
    const { port, harness } = await listen({
      listener: INSPECTOR,
      chains: [
        chainOf({}, "exact", match({ server_names: ["a.example"] })),
        chainOf({}, "wide", match({ server_names: ["*.example"] })),
        chainOf({}, "h1", match({ application_protocols: ["http/1.1"] })),
        { ...chainOf({}, "plain", match({ transport_protocol: "raw_buffer" })), transport_socket: undefined },
      ],
    });
    assert.match((await ask(port, { servername: "a.example" })).text, /exact$/);
    assert.match((await ask(port, { servername: "x.y.example" })).text, /wide$/);
    assert.match((await ask(port, { ALPNProtocols: ["http/1.1"] })).text, /h1$/);
    assert.match((await ask(port, { servername: "else.where" })).text, /ECONNRESET/);
    await waitUntil("reset", () => harness.stat("listener.l.no_filter_chain_match") === 1);
    const plain = connectTcp(port, "127.0.0.1", () => plain.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    let text = "";
    plain.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
    await waitUntil("plaintext answer", () => text.endsWith("plain"));
    plain.destroy();
    await waitUntil("stats", () => harness.stat("tls_inspector.tls_found") === 4);
    assert.equal(harness.stat("tls_inspector.tls_not_found"), 1);
    assert.equal(harness.stat("tls_inspector.sni_not_found"), 1);
    assert.equal(harness.stat("listener.l.downstream_pre_cx_active"), 0);
  });

  it("gives up on clients that send no ClientHello, and on handshakes that do not end", async () => {
    const silent = await listen({ listener: { ...INSPECTOR, listener_filters_timeout: "0.05s" } });
    const first = connectTcp(silent.port, "127.0.0.1");
    first.on("error", () => {});
    await waitUntil("timeout", () => silent.harness.stat("listener.l.downstream_pre_cx_timeout") === 1);
    first.destroy();
    const chain = { ...chainOf({}), transport_socket_connect_timeout: "0.05s" };
    const slow = await listen({ chains: [chain] });
    const second = connectTcp(slow.port, "127.0.0.1");
    second.on("error", () => {});
    const name = "listener.l.downstream_cx_transport_socket_connect_timeout";
    await waitUntil("handshake timeout", () => slow.harness.stat(name) === 1);
    await waitUntil("gone", () => slow.harness.stat("listener.l.downstream_cx_active") === 0);
    second.destroy();
  });

  it("closes plaintext on a TLS port and counts it", async () => {
    const { port, harness } = await listen({});
    const socket = connectTcp(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
    socket.on("error", () => {});
    await waitUntil("error", () => harness.stat("listener.l.ssl.connection_error") === 1);
    socket.destroy();
  });

  it("follows certificates that a symbolic link is moved to, for new handshakes only", async () => {
    const volume = join(folder, "volume");
    const write = (name: string, certificate: TestCertificate): void => {
      mkdirSync(join(volume, name), { recursive: true });
      writeFileSync(join(volume, name, "tls.crt"), certificate.cert);
      writeFileSync(join(volume, name, "tls.key"), certificate.key);
    };
    const next = makeCertificate({ name: "next", issuer: ca });
    write("one", server);
    write("two", next);
    mkdirSync(join(volume, "three"));
    writeFileSync(join(volume, "three", "tls.crt"), "garbage");
    writeFileSync(join(volume, "three", "tls.key"), "garbage");
    symlinkSync("one", join(volume, "..data"));
    const data = join(volume, "..data");
    const { port, harness } = await listen({
      common: {
        tls_certificates: [
          {
            certificate_chain: { filename: join(data, "tls.crt") },
            private_key: { filename: join(data, "tls.key") },
            watched_directory: { path: volume },
          },
        ],
      },
    });
    const first = await ask(port, { servername: "a.example" });
    assert.equal(first.commonName, "server");
    const point = (to: string): void => {
      symlinkSync(to, join(volume, "..new"));
      renameSync(join(volume, "..new"), data);
    };
    point("two");
    await waitUntil(
      "rotation",
      () => harness.stat("listener.l.server_ssl_socket_factory.ssl_context_update_by_sds") === 1,
    );
    const second = await ask(port, { servername: "a.example", session: first.session! });
    assert.equal(second.commonName, "next");
    assert.equal(second.reused, false);
    point("three");
    await waitUntil("refusal", () => harness.logs.some((line) => line.includes("the old ones stay")));
    assert.equal((await ask(port)).commonName, "next");
    unlinkSync(data);
  });

  it("waits for discovered secrets, and follows them for new handshakes only", async () => {
    const sds = (name: string): object => ({ name, sds_config: { ads: {} } });
    const { port, harness } = await listen({
      tls: { require_client_certificate: true },
      common: {
        tls_certificates: [],
        tls_certificate_sds_secret_configs: [sds("pair")],
        validation_context_sds_secret_config: sds("trust"),
      },
    });
    const stat = (name: string): number => harness.stat(`listener.l.server_ssl_socket_factory.${name}`);
    const tell = (name: string, secret: object): void =>
      harness.secret(JSON.stringify(sds(name)), JSON.stringify({ name, ...secret }));
    const identity = { cert: client.cert, key: client.key };
    tell("pair", { tls_certificate: pair(server) });
    assert.equal((await ask(port, identity)).text, "ECONNRESET");
    assert.equal(stat("downstream_context_secrets_not_ready"), 1);
    tell("trust", { validation_context: { trusted_ca: inline(ca.cert) } });
    assert.equal((await ask(port, identity)).commonName, "server");
    const next = makeCertificate({ name: "next", issuer: ca });
    tell("pair", { tls_certificate: pair(next) });
    assert.equal((await ask(port, identity)).commonName, "next");
    assert.equal(stat("ssl_context_update_by_sds"), 2);
    // A secret that cannot be used changes nothing.
    tell("pair", { validation_context: {} });
    assert.match(harness.logs.at(-1)!, /the old ones stay: secret "pair" is not a tls_certificate/);
    assert.equal((await ask(port, identity)).commonName, "next");
  });

  it("sets X-Forwarded-Client-Cert", async () => {
    const answer = async (hcm: object): Promise<string | undefined> => {
      const { port } = await listen({
        tls: { require_client_certificate: true },
        common: { validation_context: { trusted_ca: inline(ca.cert) } },
        hcm: {
          ...hcm,
          set_current_client_cert_details: { subject: true, uri: true, dns: true },
          route_config: {
            virtual_hosts: [
              {
                name: "v",
                domains: ["*"],
                routes: [
                  {
                    match: { prefix: "/" },
                    response_headers_to_add: [
                      { header: { key: "x-seen", value: "%REQ(x-forwarded-client-cert)%" } },
                    ],
                    direct_response: { status: 200, body: { inline_string: "ok" } },
                  },
                ],
              },
            ],
          },
        },
      });
      return header(await ask(port, { cert: client.cert, key: client.key }), "x-seen");
    };
    assert.equal(await answer({}), undefined);
    assert.match(
      (await answer({ forward_client_cert_details: "SANITIZE_SET" }))!,
      /^Hash=[0-9a-f]{64};Subject="CN=client";URI=spiffe:\/\/td\/client;DNS=client\.local$/,
    );
  });

  for (const [what, setup, text] of [
    ["no certificate", { common: { tls_certificates: [] } }, /No TLS certificates found for server context/],
    [
      "keys that do not belong to their certificate",
      { common: { tls_certificates: [pair({ ...server, key: client.key })] } },
      /Failed to load private key from <inline>, Cause: error:0b000074:X\.509.*KEY_VALUES_MISMATCH/,
    ],
    [
      "unknown cipher suites",
      { common: { tls_params: { cipher_suites: ["ECDHE-RSA-AES128-GCM-SHA256", "NOPE"] } } },
      /The following ciphers were rejected when tried individually: NOPE/,
    ],
    [
      "names without trust",
      {
        common: {
          validation_context: {
            match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "a" } }],
          },
        },
      },
      /SAN-based verification of peer certificates without trusted CA is insecure and not allowed/,
    ],
    [
      "files that are not there",
      { common: { tls_certificates: [{ certificate_chain: { filename: "/nonexistent" } }] } },
      /Invalid path: \/nonexistent/,
    ],
  ] as const) {
    it(`refuses ${what}`, () => assert.rejects(listen(setup), text));
  }
});
