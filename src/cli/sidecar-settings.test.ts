import assert from "node:assert/strict";
import { test } from "node:test";
import { sidecarSettings } from "./sidecar-settings.ts";

test("sidecarSettings() knows envoy-simple's variables and defaults", () => {
  const { bootstrap, args } = sidecarSettings({
    ENVOY_NODE_ID: "n1",
    ENVOY_XDS_HOST: "rotor",
    ENVOY_ADMIN_PORT: "9999",
    ENVOY_XDS_CONNECT_TIMEOUT_SECS: "30",
    ENVOY_LOG_LEVEL: "debug",
    ENVOY_ARGS: " --concurrency 1  --drain-time-s 5",
  });
  assert.equal(bootstrap.control, "rotor:50000");
  assert.deepEqual(
    [bootstrap.nodeId, bootstrap.cluster, bootstrap.zone],
    ["n1", "default-cluster", "default-zone"],
  );
  assert.deepEqual([bootstrap.adminHost, bootstrap.adminPort], ["127.0.0.1", 9999]);
  assert.equal(bootstrap.connectTimeout, 30);
  assert.deepEqual(args, ["--log-level", "debug", "--concurrency", "1", "--drain-time-s", "5"]);
});

test("sidecarSettings() takes our variables first", () => {
  const { bootstrap } = sidecarSettings({
    WEFT_CONTROL: "[::1]:1",
    ENVOY_XDS_HOST: "other",
    WEFT_SERVICE: "users",
    WEFT_INBOUND: "0.0.0.0:80",
    WEFT_OUTBOUND: "127.0.0.1:81",
    WEFT_APP: "127.0.0.1:82",
    WEFT_CONTROL_CA: "/ca.pem",
  });
  assert.equal(bootstrap.control, "[::1]:1");
  assert.equal(bootstrap.cluster, "users");
  assert.equal(bootstrap.zone, undefined);
  assert.deepEqual(bootstrap.sidecar, {
    service: "users",
    inbound: "0.0.0.0:80",
    outbound: "127.0.0.1:81",
    app: "127.0.0.1:82",
  });
  assert.deepEqual(bootstrap.tls, { ca: "/ca.pem", name: "[::1]" });
});

test("sidecarSettings() says what is wrong, missing, or does nothing", () => {
  const fails = (env: Record<string, string>, message: RegExp) =>
    assert.throws(() => sidecarSettings(env), message);
  fails({ WEFT_CONTROL: "a:1, b" }, /Cannot use WEFT_CONTROL: "b" is not ADDRESS:PORT/);
  fails({ WEFT_CONTROL: "a:1,b:2", WEFT_CONTROL_CA: "c" }, /several control planes needs WEFT_CONTROL_NAME/);
  fails({ WEFT_CONTROL: "here" }, /^UsageError|Cannot use WEFT_CONTROL: "here" is not ADDRESS:PORT/);
  fails({ WEFT_SERVICE: "users", WEFT_INBOUND: "a:1" }, /A sidecar of "users" needs WEFT_OUTBOUND/);
  fails({ WEFT_CONTROL_CERT: "c" }, /needs WEFT_CONTROL_CA/);
  fails(
    { WEFT_CONTROL_CA: "a", WEFT_CONTROL_CERT: "c" },
    /WEFT_CONTROL_CERT and WEFT_CONTROL_KEY need each other/,
  );
  fails({ ENVOY_XDS_CONNECT_TIMEOUT_SECS: "soon" }, /"soon" is not a number of seconds/);
  const { notes } = sidecarSettings({ ENVOY_ZIPKIN_COLLECTOR_HOST: "z", ENVOY_XDS_REFRESH_DELAY_SECS: "" });
  assert.deepEqual(
    notes.map((note) => note.split(" ")[0]),
    ["ENVOY_ZIPKIN_COLLECTOR_HOST"],
  );
});
