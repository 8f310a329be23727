import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readProxyHeader } from "./read-proxy-header.ts";
import { proxyHeaderV1, proxyHeaderV2 } from "./write-proxy-header.ts";

const octet = fc.integer({ min: 1, max: 200 });
const ipv4 = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join("."));
const port = fc.integer({ min: 0, max: 65_535 });
const plain = { noNullPrototype: true } as const;
const end = fc.record({ ip: ipv4, port }, plain);
const addresses = fc.record({ source: end, destination: end }, plain);
const tlvs = fc.array(
  fc.record(
    {
      type: fc.integer({ min: 0, max: 255 }),
      value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    },
    plain,
  ),
  { maxLength: 6 },
);

test("readProxyHeader() reads what the writers write, whatever follows", () => {
  fc.assert(
    fc.property(addresses, tlvs, fc.uint8Array({ maxLength: 40 }), (known, values, rest) => {
      const first = proxyHeaderV1(known);
      assert.deepEqual(readProxyHeader(Buffer.concat([first, rest])), {
        header: { version: 1, addresses: known, tlvs: [] },
        length: first.length,
      });
      const second = proxyHeaderV2(known, values);
      assert.deepEqual(readProxyHeader(Buffer.concat([second, rest])), {
        header: { version: 2, addresses: known, tlvs: values },
        length: second.length,
      });
    }),
  );
});

test("IPv6 addresses and connections of a proxy's own", () => {
  const known = { source: { ip: "fd00::1", port: 1 }, destination: { ip: "::1", port: 2 } };
  for (const bytes of [proxyHeaderV1(known), proxyHeaderV2(known, [])])
    assert.deepEqual((readProxyHeader(bytes) as { header: object }).header, {
      version: bytes[0] === 80 ? 1 : 2,
      addresses: known,
      tlvs: [],
    });
  for (const bytes of [proxyHeaderV1(undefined), proxyHeaderV2(undefined, [])]) {
    const found = readProxyHeader(bytes);
    assert.ok(typeof found === "object" && found.header.addresses === undefined);
  }
});
