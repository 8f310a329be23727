import assert from "node:assert/strict";
import { test } from "node:test";
import { Cidr, isLoopback, parseIp } from "./cidr.ts";

const table: readonly [address: string, length: number, inside: string, outside: string][] = [
  ["10.0.0.0", 8, "10.255.1.2", "11.0.0.0"],
  ["192.168.4.0", 22, "192.168.7.255", "192.168.8.0"],
  ["0.0.0.0", 0, "1.2.3.4", "::1"],
  ["fd00::", 7, "fdff::1", "fe00::1"],
  ["::1", 128, "::1", "::2"],
];
for (const [address, length, inside, outside] of table) {
  test(`Cidr.contains() of ${address}/${length}`, () => {
    const block = Cidr.of(address, length);
    assert.equal(block.contains(parseIp(inside)!), true);
    assert.equal(block.contains(parseIp(outside)!), false);
  });
}

test("parseIp() takes IPv4 inside IPv6 and refuses names", () => {
  assert.deepEqual(parseIp("::ffff:1.2.3.4"), parseIp("1.2.3.4"));
  assert.equal(parseIp("localhost"), undefined);
  assert.equal(isLoopback("127.0.0.9"), true);
});

test("Cidr.of() refuses what is not a block", () => {
  assert.throws(() => Cidr.of("1.2.3", 8), /malformed IP address: 1.2.3/);
  assert.throws(() => Cidr.of("1.2.3.4", 33), /invalid prefix length/);
});
