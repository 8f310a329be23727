import assert from "node:assert/strict";
import { test } from "node:test";
import { redact } from "./redact.ts";
import { create, fromJson, packNew, toJson } from "./registry.ts";

const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
const CLUSTER = "envoy.config.cluster.v3.Cluster";

test("redact() hides what Envoy's config_dump hides", () => {
  const secret = fromJson(SECRET, {
    name: "s",
    generic_secret: {
      secret: { environment_variable: "HOME" },
      secrets: { x: { inline_bytes: "aGVsbG8=" }, y: { inline_string: "abc" } },
    },
  });
  redact(secret);
  assert.deepEqual(toJson(SECRET, secret), {
    name: "s",
    generic_secret: {
      secret: { environment_variable: "[redacted]" },
      secrets: { x: { inline_bytes: "W3JlZGFjdGVkXQ==" }, y: { inline_string: "[redacted]" } },
    },
  });
});

test("redact() reaches into typed configs and typed structs", () => {
  const certificate = { certificate_chain: { filename: "c.pem" }, private_key: { filename: "k.pem" } };
  const hidden = { certificate_chain: { filename: "c.pem" }, private_key: { filename: "[redacted]" } };
  const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
  const tls = (content: object) => ({ common_tls_context: { tls_certificates: [content] } });
  for (const shape of [
    (content: object) => ({ "@type": type, ...tls(content) }),
    (content: object) => ({
      "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
      type_url: type,
      value: tls(content),
    }),
  ]) {
    const json = (content: object) => ({
      name: "a",
      transport_socket: { name: "tls", typed_config: shape(content) },
    });
    const cluster = fromJson(CLUSTER, JSON.parse(JSON.stringify(json(certificate))));
    redact(cluster);
    assert.deepEqual(toJson(CLUSTER, cluster), json(hidden));
  }
});

test("redact() leaves other fields and unknown types alone", () => {
  const any = packNew("envoy.config.core.v3.Node", { id: "n" });
  any.typeUrl = "type.googleapis.com/foo.Bar";
  const cluster = create(CLUSTER, {
    name: "a",
    connectTimeout: { seconds: 1n },
    typedExtensionProtocolOptions: { x: any },
  });
  const bytes = any.value.slice();
  redact(cluster);
  assert.equal(cluster.name, "a");
  assert.equal(cluster.connectTimeout?.seconds, 1n);
  assert.deepEqual(cluster.typedExtensionProtocolOptions["x"]!.value, bytes);
});
