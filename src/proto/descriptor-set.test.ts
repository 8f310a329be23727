import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { DescriptorSet } from "./descriptor-set.ts";

const bytes = readFileSync(join(import.meta.dirname, "envoy.binpb"));

test("DescriptorSet finds every type that reading the whole set at once gives", () => {
  const eager = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  const lazy = new DescriptorSet(bytes);
  let count = 0;
  for (const type of eager) {
    const found = lazy.get(type.typeName);
    assert.equal(found?.kind, type.kind, type.typeName);
    if (type.kind === "message" && found?.kind === "message") {
      assert.deepEqual(found.fields.map(String), type.fields.map(String));
    }
    count++;
  }
  assert.equal([...lazy].length, count);
});

test("DescriptorSet makes a type once, however it is reached", () => {
  const set = new DescriptorSet(bytes);
  const listener = set.getMessage("envoy.config.listener.v3.Listener")!;
  const route = set.getMessage("envoy.config.route.v3.RouteConfiguration")!;
  const node = set.getMessage("envoy.config.core.v3.Node")!;
  const address = listener.fields.find((field) => field.name === "address")!.message;
  assert.equal(address, set.getMessage("envoy.config.core.v3.Address"));
  assert.equal(
    node.fields.find((field) => field.name === "locality")!.message,
    set.getMessage("envoy.config.core.v3.Locality"),
  );
  assert.equal(route, set.get("envoy.config.route.v3.RouteConfiguration"));
});

test("DescriptorSet knows nested types, enums, services and extensions, and no others", () => {
  const set = new DescriptorSet(bytes);
  assert.equal(set.getMessage("envoy.config.route.v3.RouteAction.HashPolicy.Header")?.name, "Header");
  assert.equal(set.getEnum("envoy.config.cluster.v3.Cluster.LbPolicy")?.name, "LbPolicy");
  assert.equal(set.getExtension("validate.rules")?.extendee.typeName, "google.protobuf.FieldOptions");
  assert.equal(set.getService("envoy.service.discovery.v3.AggregatedDiscoveryService")?.methods.length, 2);
  const rules = set.getExtension("validate.rules")!;
  assert.equal(set.getExtensionFor(rules.extendee, rules.number), rules);
  for (const name of [
    "",
    "Node",
    "envoy",
    "envoy.config.core.v3",
    "envoy.config.core.v3.Nodes",
    "envoy.config.core.v3.Node.X",
  ])
    assert.equal(set.get(name), undefined, name);
});

test("DescriptorSet names a file that is missing", () => {
  const set = fromBinary(FileDescriptorSetSchema, bytes);
  const only = new DescriptorSet(
    fileSet(set.file.findIndex(({ name }) => name === "envoy/config/core/v3/base.proto")),
  );
  assert.throws(() => only.get("envoy.config.core.v3.Node"), /lacks the file "/);
});

/** The set with one file only. */
function fileSet(index: number): Uint8Array {
  let at = 0;
  for (let i = 0; ; i++) {
    const start = at++;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += length;
    if (i === index) return bytes.subarray(start, at);
  }
}
