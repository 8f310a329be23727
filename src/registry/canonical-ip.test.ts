import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalIp } from "./canonical-ip.ts";

test("canonicalIp() gives one spelling per address", () => {
  assert.equal(canonicalIp("10.0.0.1"), "10.0.0.1");
  assert.equal(canonicalIp("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
  assert.equal(canonicalIp("::ffff:10.1.2.3"), "10.1.2.3");
  assert.equal(canonicalIp("::"), "::");
});

test("canonicalIp() refuses what is no address of one machine for all", () => {
  for (const bad of [
    "",
    "localhost",
    "10.0.0",
    "010.0.0.1",
    "10.0.0.256",
    "1::2::3",
    "fe80::1%eth0",
    "[::1]",
  ]) {
    assert.equal(canonicalIp(bad), undefined, bad);
  }
});
