import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempDir } from "../../testing/temp-dir.ts";
import { loadPolicy } from "../policy/load-policy.ts";
import { parseSource } from "../catalog/source.ts";
import { sources } from "../sources/index.ts";
import { describePlan, planRotor } from "./rotor-plan.ts";

/** What the source makes of it: good options or an Error. */
function optionsOf(argv: string[], env: Record<string, string> = {}): Record<string, unknown> {
  return parseSource(planRotor(argv, env).source, sources, {}).options;
}

test("planRotor() turns every collector into a source that takes its options", () => {
  const kubernetes = optionsOf(["kubernetes", "--namespace=shop", "-port-name", "", "--selector=a=b,c=d"]);
  assert.deepEqual(kubernetes["namespaces"], ["shop"]);
  assert.equal(kubernetes["port_name"], "");
  assert.equal(kubernetes["selector"], "a=b,c=d");
  assert.equal(kubernetes["timeout"], 120_000);
  const consul = optionsOf(["consul"], { ROTOR_CONSUL_DC: "east", ROTOR_CONSUL_USE_SSL: "true" });
  assert.deepEqual(
    [consul["dc"], consul["url"], consul["tag"]],
    ["east", "https://localhost:8500", "tbn-cluster"],
  );
  const aws = optionsOf([
    "--delay=1m30s",
    "aws",
    "--aws.region=eu-west-1",
    "--vpc-id=vpc-1",
    "--filters=a=b,c=d",
  ]);
  assert.deepEqual([aws["vpc"], aws["filters"], aws["interval"]], ["vpc-1", ["a=b", "c=d"], 90_000]);
  const ecs = optionsOf(["ecs", "--aws.region=eu-west-1", "--clusters=a,b"]);
  assert.deepEqual(ecs["clusters"], ["a", "b"]);
  const marathon = optionsOf(["marathon", "--dcos.url=https://dcos.test/", "--dcos.insecure"]);
  assert.deepEqual([marathon["url"], marathon["insecure"]], ["https://dcos.test/service/marathon", true]);
  assert.equal(optionsOf([], { ROTOR_CMD: "file", ROTOR_FILE_FILENAME: "/a,b.json" })["path"], "/a,b.json");
});

test("planRotor() lets the command line win over variables, and keeps Rotor's defaults", () => {
  const env = { ROTOR_XDS_ADDR: ":1", ROTOR_XDS_STANDALONE_PORT: "8080", CONSUL_HTTP_TOKEN: "t" };
  const plan = planRotor(["--xds.addr=127.0.0.1:2", "consul", "--dc=x"], env);
  assert.deepEqual([plan.host, plan.xdsPort], ["127.0.0.1", 2]);
  assert.deepEqual(plan.env, { WEFT_CONSUL_TOKEN: "t" });
  const policy = loadPolicy(JSON.stringify(plan.policy), "rotor");
  const [view] = policy.views;
  assert.deepEqual(view?.match, { cluster: "default-cluster", zone: "default-zone" });
  assert.equal(view?.edge?.listen, "0.0.0.0:8080");
  assert.equal(policy.defaults.timeout_ms, 60_000);
});

test("planRotor() has errors logged when more than one line is asked for", () => {
  const plan = planRotor(["--xds.grpc-log-top=5", "--xds.grpc-log-interval=1m", "consul", "--dc=x"], {});
  assert.deepEqual(plan.errorLog, { lines: 5, periodMs: 60_000 });
  const policy = loadPolicy(JSON.stringify(plan.policy), "rotor");
  assert.deepEqual([policy.access_log, policy.control_cluster], ["control", "tbn-xds"]);
  const without = planRotor(["--xds.grpc-log-top=1", "consul", "--dc=x"], {});
  assert.deepEqual([without.errorLog, without.policy["access_log"]], [undefined, undefined]);
  assert.throws(() => planRotor(["--xds.grpc-log-top=x", "consul", "--dc=x"], {}), /not a number of lines/);
});

test("planRotor() says what does nothing, and why", () => {
  const env = {
    ROTOR_API_KEY: "k",
    ROTOR_STATS_STATSD_HOST: "h",
    ROTOR_AWS_VPC_ID: "v",
    ROTOR_TYPO: "1",
    ROTOR_CMD: "file",
  };
  const { notes } = planRotor(["--stats.tags=a", "file", "x.json"], env);
  assert.deepEqual(notes, [
    "Rotor's stats.tags does nothing here: scrape /metrics of the control plane, and the proxies' own",
    "Rotor's api.key does nothing here: its service, Houston, is gone",
    "the variable ROTOR_STATS_STATSD_HOST does nothing here: scrape /metrics of the control plane, and the proxies' own",
    "the variable ROTOR_AWS_VPC_ID does nothing here: it is of another collector",
    "the variable ROTOR_TYPO does nothing here: Rotor has no such flag",
  ]);
});

test("planRotor() refuses what cannot be done, and says what to do", () => {
  const fails = (argv: string[], message: RegExp, env: Record<string, string> = {}) =>
    assert.throws(() => planRotor(argv, env), message);
  fails([], /give one of kubernetes, consul, aws, ecs, marathon, file, or set ROTOR_CMD/);
  fails(["exp-envoy-cds-v1"], /use weft control --source lyft:/);
  fails(["file"], /give one file/);
  fails(["consul"], /--dc is missing/);
  fails(["consul", "--dc"], /--dc: it needs a value/);
  fails(["--nope", "file"], /Cannot use --nope: Rotor has --console\.level/);
  fails(["--xds.disabled", "file", "x"], /there would be nothing left to do/);
  fails(["--delay=fast", "consul", "--dc=x"], /delay: "fast" is not a time/);
  fails(["--xds.addr=here", "file", "x"], /xds\.addr: "here" is not ADDRESS:PORT/);
  fails(["file", "x"], /"users" is not NAME:PORT/, { ROTOR_LOCAL_CLUSTERS: "users" });
});

test("planRotor() carries static resources over from v2, so that Envoy's API takes them", () => {
  const file = join(tempDir("rotor"), "static.yaml");
  writeFileSync(file, STATIC);
  const plan = planRotor(["--xds.static-resources.filename", file, "file", "x.json"], {});
  const policy = loadPolicy(JSON.stringify(plan.policy), "rotor");
  const { clusters, listeners, load_assignments: assignments } = policy.static_resources;
  assert.equal(JSON.stringify(clusters).includes("transport_socket"), true);
  assert.match(JSON.stringify(listeners), /"safe_regex":\{"regex":"\/a\.\*"\}/);
  assert.match(JSON.stringify(listeners), /"common_http_protocol_options":\{"idle_timeout":"5s"\}/);
  assert.equal(assignments.length, 1);
  assert.deepEqual(policy.defaults.envoy?.cluster, { connect_timeout: "3s", lb_policy: "RANDOM" });
  assert.equal(plan.notes.length, 1);
  assert.match(
    plan.notes[0]!,
    /listeners\[0\]\.filter_chains\[0\]\.filters\[0\]\.http_filters\[0\]: left out "envoy\.squash"/,
  );
  const [, , ...yaml] = describePlan(plan).split("\n");
  assert.deepEqual(loadPolicy(yaml.join("\n"), "printed"), policy, "what is printed means the same");
});

test("planRotor() names what is wrong in a file of static resources", () => {
  const file = join(tempDir("rotor"), "static.yaml");
  const fails = (text: string, message: RegExp) => {
    writeFileSync(file, text);
    assert.throws(() => planRotor([`--xds.static-resources.filename=${file}`, "file", "x"], {}), message);
  };
  fails("clusters: [", /static\.yaml": line 1: /);
  fails("cluster: []", /unknown field "cluster": it may have clusters, cluster_template, listeners/);
  fails("listeners: { a: 1 }", /listeners must be a list of objects/);
});

const STATIC = `
cluster_template: { name: x, type: EDS, connect_timeout: 3s, lb_policy: RANDOM }
load_assignments: [{ cluster_name: users, endpoints: [] }]
clusters:
- name: old
  type: STATIC
  connect_timeout: 1s
  hosts: [{ socket_address: { address: 127.0.0.1, port_value: 9003 } }]
  tls_context: { sni: old.test }
  http2_protocol_options: {}
listeners:
- name: mine
  address: { socket_address: { address: 0.0.0.0, port_value: 8099 } }
  filter_chains:
  - tls_context: { common_tls_context: { tls_certificates: [{ certificate_chain: { filename: /c }, private_key: { filename: /k } }] } }
    filters:
    - name: envoy.http_connection_manager
      config:
        stat_prefix: mine
        idle_timeout: 5s
        access_log: [{ name: envoy.file_access_log, config: { path: /dev/stdout } }]
        route_config:
          virtual_hosts:
          - name: all
            domains: ["*"]
            routes:
            - match: { regex: "/a.*", headers: [{ name: x, exact_match: "y" }, { name: z }], query_parameters: [{ name: q, value: v }] }
              route: { cluster: old }
        http_filters: [{ name: envoy.squash, config: {} }, { name: envoy.router, config: {} }]
`;
