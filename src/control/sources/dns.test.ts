import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ScriptedDns } from "../../testing/scripted-dns.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { parseSource } from "../catalog/source.ts";
import { dnsSource } from "./dns.ts";
import { decodeSrvAnswer } from "./shared/dns-message.ts";

const a = (data: string, ttl = 0) => ({ type: "A" as const, data, ttl });
const aaaa = (data: string, ttl = 0) => ({ type: "AAAA" as const, data, ttl });
const srv = (data: string, ttl = 0) => ({ type: "SRV" as const, data, ttl });
const fast = "min_ttl=20ms,max_ttl=60s,timeout=200ms";

test("dnsSource.watch() joins A and AAAA records of several names", async (t) => {
  const dns = await ScriptedDns.start(t);
  dns.zone.set("users.test", [a("10.0.0.1"), aaaa("fd00::1")]);
  dns.zone.set("more.test", [a("10.0.0.2")]);
  const names = "names=users=users.test.:80,users=more.test.:81,orders=10.1.1.1:82";
  const source = new WatchedSource(t, dnsSource, `${names},servers=${dns.server},${fast}`);
  await source.until("orders=10.1.1.1:82? users=10.0.0.1:80,10.0.0.2:81,fd00::1:80?");
  dns.zone.set("users.test", [a("10.0.0.9")]);
  await source.until("orders=10.1.1.1:82? users=10.0.0.2:81,10.0.0.9:80?");
  dns.code = 2;
  await source.until(
    /^orders=10.1.1.1:82\? users=10.0.0.2:81,10.0.0.9:80\? \(users=users.test.:80: .*SERVFAIL/,
  );
  dns.code = 0;
  dns.zone.delete("more.test");
  await source.until("orders=10.1.1.1:82? users=10.0.0.9:80?");
});

test("dnsSource.watch() reads SRV records: port, weight, best priority, confirmed absence", async (t) => {
  const dns = await ScriptedDns.start(t);
  dns.zone.set("_http._tcp.users.test", [
    srv("1 5 8001 a.test."),
    srv("1 0 8002 b.test."),
    srv("2 9 8003 c.test."),
  ]);
  dns.zone.set("a.test", [a("10.0.0.1", 9)]);
  dns.zone.set("b.test", [a("10.0.0.2", 9)]);
  dns.zone.set("c.test", [a("10.0.0.3", 9)]);
  const quick = fast.replace("60s", "30ms");
  const names = "names=users=_http._tcp.users.test";
  const source = new WatchedSource(t, dnsSource, `${names},servers=${dns.server},family=v4,${quick}`);
  const both = "users=10.0.0.1:8001*5,10.0.0.2:8002?";
  await source.until(both);
  const all = new WatchedSource(
    t,
    dnsSource,
    `${names},servers=${dns.server},priorities=all,family=v4,${fast}`,
  );
  await all.until("users=10.0.0.1:8001*5,10.0.0.2:8002,10.0.0.3:8003*9?");
  all.stop();

  dns.truncate = true;
  dns.asked.length = 0;
  await source.until(both);
  await source.until(both);
  assert.ok(dns.asked.includes("SRV _http._tcp.users.test+tcp"));
  dns.truncate = false;

  // A target without addresses is one that cannot be read.
  dns.zone.delete("b.test");
  await source.until("users=10.0.0.1:8001*5?+1");
  dns.nonsense = Buffer.from("9000000000", "hex");
  await source.until(/error: users=_http._tcp.users.test: .*makes no sense/);
  dns.nonsense = undefined;
  dns.code = -1;
  await source.until(/error: .*no answer within 200 ms/);
  dns.code = 0;
  await source.until("users=10.0.0.1:8001*5?+1");
  dns.zone.set("_http._tcp.users.test", []);
  await source.until("users=?");
  dns.zone.set("_http._tcp.users.test", [srv("0 0 0 .")]);
  await source.until("users=");
});

test("dnsSource.watch() asks again when the TTL is over, not before", async (t) => {
  const dns = await ScriptedDns.start(t);
  dns.zone.set("slow.test", [a("10.0.0.1", 60)]);
  dns.zone.set("fast.test", [a("10.0.0.2", 0)]);
  const names = "names=slow=slow.test.:1,fast=fast.test.:2";
  const source = new WatchedSource(t, dnsSource, `${names},servers=${dns.server},family=v4,${fast}`);
  for (let i = 0; i < 4; i++) await source.nextText();
  assert.equal(dns.asked.filter((line) => line === "A slow.test").length, 1);
  assert.ok(dns.asked.filter((line) => line === "A fast.test").length >= 3);
});

test("dnsSource.check() says how a name should look", () => {
  for (const item of ["users", "users=a", "users=a:0", "us ers=a:1", "users=:1", "_http._tcp.a"]) {
    assert.throws(
      () => parseSource(`dns:names=${item}`, [dnsSource], {}),
      /"names" must be SERVICE=NAME:PORT or SERVICE=_port._proto.NAME$/,
      item,
    );
  }
});

test("decodeSrvAnswer() refuses or reads any bytes, and ends", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const message = Buffer.from(bytes);
      if (message.length > 2) message[2]! |= 0x80;
      try {
        decodeSrvAnswer(message, "");
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }),
    { numRuns: 500 },
  );
});
