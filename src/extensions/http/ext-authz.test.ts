import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ScriptedUpstream } from "../../testing/scripted-upstream.ts";
import { TcpClient } from "../../testing/tcp-client.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";

const closers: (() => unknown)[] = [];
after(() => Promise.all(closers.map((close) => close())));

interface Mesh {
  readonly harness: WorkerHarness;
  readonly auth: ScriptedUpstream;
  readonly port: number;
}

function listener(filter: string): string {
  return `
name: l1
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
filter_chains:
  - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts:
              - name: all
                domains: ["*"]
                routes:
                  - match: { prefix: "/free" }
                    direct_response: { status: 200, body: { inline_string: "free" } }
                    typed_per_filter_config:
                      authz:
                        "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                        disabled: true
                  - match: { prefix: "/" }
                    direct_response: { status: 200, body: { inline_string: "in" } }
          http_filters:
            - name: authz
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                http_service:
                  server_uri: { uri: "http://auth", cluster: auth, timeout: 0.1s }
                  path_prefix: /check
                  authorization_request: { headers_to_add: [{ key: X-Added, value: "v" }] }
                  authorization_response:
                    allowed_upstream_headers: { patterns: [{ exact: x-user-id }] }
                    allowed_client_headers_on_success: { patterns: [{ exact: x-ok }] }
                allowed_headers: { patterns: [{ prefix: "x-in" }] }
${filter.trim().replace(/^/gm, "                ")}
            - name: router
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;
}

async function start(reply: string, filter = "stat_prefix: p"): Promise<Mesh> {
  const auth = await ScriptedUpstream.start([[{ expect: "request" }, { send: reply }, { repeat: true }]]);
  const harness = new WorkerHarness();
  closers.push(
    () => auth.close(),
    () => harness.close(),
  );
  harness.cluster("name: auth\nconnect_timeout: 1s", reply === "dead" ? [1] : [auth.port]);
  return { harness, auth, port: await harness.listen(listener(filter)) };
}

async function ask(port: number, text: string): Promise<string> {
  const client = await TcpClient.connect(port);
  await client.send(text);
  await client.waitFor((c) => c.fate !== "open" || (c.received !== "" && c.quietFor > 40), 1500);
  client.close();
  return client.received.replace(/date: [^\r]*/g, "date: D").replace(/service-time: \d+/, "service-time: N");
}

const OK = "HTTP/1.1 200 OK\r\nx-user-id: u1\r\nx-ok: yes\r\nx-other: z\r\ncontent-length: 0\r\n\r\n";

test("the check request has what Envoy sends, in its order", async () => {
  const { auth, port, harness } = await start(OK);
  const reply = await ask(
    port,
    "GET /a?x=1 HTTP/1.1\r\nhost: h\r\naccept: */*\r\nx-in-one: 1\r\nx-user-id: spoof\r\nauthorization: Bearer t\r\n\r\n",
  );
  assert.equal(
    auth.connections[0]!.received,
    "GET /check/a?x=1 HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\nx-in-one: 1\r\nauthorization: Bearer t\r\n" +
      "x-added: v\r\nx-envoy-internal: true\r\nx-envoy-expected-rq-timeout-ms: 100\r\n\r\n",
  );
  assert.match(reply, /^HTTP\/1\.1 200 OK\r\n[^]*x-ok: yes\r\n[^]*in$/);
  assert.equal(harness.stat("http.in.ext_authz.p.ok"), 1);
});

test("a refusal goes to the client with its status, headers and body", async () => {
  const { port, harness } = await start(
    "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\nx-why: no\r\ncontent-length: 4\r\n\r\nnope",
  );
  assert.equal(
    await ask(port, "GET / HTTP/1.1\r\nhost: h\r\n\r\n"),
    "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\nx-why: no\r\ncontent-length: 4\r\n" +
      "x-envoy-upstream-service-time: N\r\ncontent-type: text/plain\r\ndate: D\r\nserver: envoy\r\n\r\nnope",
  );
  assert.equal(harness.stat("http.in.ext_authz.p.denied"), 1);
  assert.equal(harness.stat("cluster.auth.internal.upstream_rq_401"), 1);
  assert.equal(harness.stat("cluster.auth.upstream_rq_active"), 0);
});

test("a route can do without the check", async () => {
  const { auth, port } = await start(OK);
  assert.match(await ask(port, "GET /free HTTP/1.1\r\nhost: h\r\n\r\n"), /free$/);
  assert.equal(auth.connections.length, 0);
});

const failures: readonly [name: string, reply: string, filter: string, expected: RegExp][] = [
  ["5xx", "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", "stat_prefix: p", /^HTTP\/1\.1 403 Forbidden\r\ndate: D\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n$/],
  ["a dead server", "dead", "stat_prefix: p\nstatus_on_error: { code: ServiceUnavailable }", /^HTTP\/1\.1 503 /],
  ["no answer in time", "", "stat_prefix: p", /^HTTP\/1\.1 403 /],
  ["5xx with failure_mode_allow", "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", "stat_prefix: p\nfailure_mode_allow: true", /^HTTP\/1\.1 200 [^]*in$/],
]; // prettier-ignore
for (const [name, reply, filter, expected] of failures) {
  test(`an error is answered as configured: ${name}`, async () => {
    const { port, harness } = await start(reply, filter);
    assert.match(await ask(port, "GET / HTTP/1.1\r\nhost: h\r\n\r\n"), expected);
    assert.equal(harness.stat("http.in.ext_authz.p.error"), 1);
  });
}

test("with_request_body sends a part of the body and says so", async () => {
  const { auth, port } = await start(
    OK,
    "with_request_body: { max_request_bytes: 10, allow_partial_message: true }",
  );
  assert.match(
    await ask(port, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 17\r\n\r\nhello world 12345"),
    /in$/,
  );
  assert.match(
    auth.connections[0]!.received,
    /content-length: 10\r\nx-envoy-auth-partial-body: true\r\n[^]*\r\n\r\nhello worl$/,
  );
});

test("with_request_body refuses what is too long", async () => {
  const { port } = await start(OK, "with_request_body: { max_request_bytes: 10 }");
  assert.match(
    await ask(port, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 17\r\n\r\nhello world 12345"),
    /^HTTP\/1\.1 413 Payload Too Large\r\n[^]*Payload Too Large$/,
  );
});
