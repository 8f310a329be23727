import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { Dns, type DnsQuery } from "./dns.ts";
import { HostsFile } from "./hosts-file.ts";
import { candidateNames, parseSearchRules } from "./search-domains.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "weft-dns-"));
  cleanups.push(() => rmSync(path, { recursive: true }));
  return path;
}

const NO_SEARCH = { domains: [], ndots: 1 };
const offline = { hostsFile: "/nonexistent", search: NO_SEARCH };

function failing(code: string): DnsQuery {
  return () => Promise.reject(Object.assign(new Error(code), { code }));
}

/** A name server that knows some names; answers SERVFAIL to "broken" and nothing to "silent". */
async function nameServer(records: Record<string, { v4?: string[]; ttl: number }>): Promise<string> {
  const socket: Socket = createSocket("udp4");
  cleanups.push(() => socket.close());
  socket.on("message", (query, peer) => {
    const end = query.indexOf(0, 12);
    const labels: string[] = [];
    for (let at = 12; at < end; at += query[at]! + 1)
      labels.push(query.toString("latin1", at + 1, at + 1 + query[at]!));
    const name = labels.join(".");
    if (name === "silent") return;
    const isA = query.readUInt16BE(end + 1) === 1;
    const known = records[name];
    const addresses = isA ? (known?.v4 ?? []) : [];
    const head = Buffer.from(query.subarray(0, end + 5));
    head.writeUInt16BE(0x8180 | (name === "broken" ? 2 : known === undefined ? 3 : 0), 2);
    head.writeUInt16BE(addresses.length, 6);
    head.writeUInt32BE(0, 8);
    const answers = addresses.map((address) => {
      const answer = Buffer.alloc(16);
      answer.writeUInt16BE(0xc00c, 0);
      answer.writeUInt16BE(1, 2);
      answer.writeUInt16BE(1, 4);
      answer.writeUInt32BE(known!.ttl, 6);
      answer.writeUInt16BE(4, 10);
      answer.set(address.split(".").map(Number), 12);
      return answer;
    });
    socket.send(Buffer.concat([head, ...answers]), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return `127.0.0.1:${socket.address().port}`;
}

describe("Dns.resolve()", () => {
  it("knows localhost and addresses without a server", async () => {
    const dns = new Dns({ ...offline, query: failing("ECONNREFUSED") });
    assert.deepEqual(await dns.resolve("localhost", "auto"), [{ address: "::1", ttl: 0 }]);
    assert.deepEqual(await dns.resolve("localhost", "v4-only"), [{ address: "127.0.0.1", ttl: 0 }]);
    assert.deepEqual(await dns.resolve("10.1.2.3", "auto"), [{ address: "10.1.2.3", ttl: 0 }]);
    assert.deepEqual(await dns.resolve("10.1.2.3", "v6-only"), []);
    const both = await dns.resolve("a.localhost", "all");
    assert.deepEqual(
      both.map((record) => record.address),
      ["127.0.0.1", "::1"],
    );
  });

  it("asks a server and gives the time to live", async () => {
    const server = await nameServer({ "users.test": { v4: ["10.0.0.1", "10.0.0.2"], ttl: 7 } });
    const dns = new Dns({ ...offline, servers: [server], timeout: 100, tries: 1 });
    for (const family of ["auto", "v4-only", "v4-preferred", "all"] as const) {
      const found = await dns.resolve("users.test", family);
      assert.deepEqual(found.map((record) => record.address).sort(), ["10.0.0.1", "10.0.0.2"]);
      assert.equal(found[0]!.ttl, 7);
    }
    assert.deepEqual(await dns.resolve("users.test", "v6-only"), []);
    assert.deepEqual(await dns.resolve("unknown.test", "auto"), []);
  });

  it("rejects when the question is not answered", async () => {
    const server = await nameServer({});
    const dns = new Dns({ ...offline, servers: [server], timeout: 50, tries: 1 });
    await assert.rejects(dns.resolve("broken", "v4-only"));
    await assert.rejects(dns.resolve("silent", "v4-only"));
  });

  it("tries search domains for names with few dots", async () => {
    const asked: string[] = [];
    const query: DnsQuery = (name) => {
      asked.push(name);
      return name === "users.mesh.test"
        ? Promise.resolve([{ address: "10.0.0.9", ttl: 5 }])
        : failing("ENOTFOUND")(name, 4);
    };
    const search = { domains: ["svc.test", "mesh.test"], ndots: 2 };
    const dns = new Dns({ hostsFile: "/nonexistent", search, query });
    assert.deepEqual(await dns.resolve("users", "v4-only"), [{ address: "10.0.0.9", ttl: 5 }]);
    assert.deepEqual(asked, ["users.svc.test", "users.mesh.test"]);
  });
});

describe("candidateNames()", () => {
  it("follows search and ndots of resolv.conf", () => {
    const rules = parseSearchRules("# x\nnameserver 10.0.0.1\nsearch a.b c\noptions edns0 ndots:2\n");
    assert.deepEqual(rules, { domains: ["a.b", "c"], ndots: 2 });
    assert.deepEqual(candidateNames("x.y", rules), ["x.y.a.b", "x.y.c", "x.y"]);
    assert.deepEqual(candidateNames("x.y.z", rules), ["x.y.z", "x.y.z.a.b", "x.y.z.c"]);
    assert.deepEqual(candidateNames("x.", rules), ["x"]);
  });
});

describe("HostsFile.lookup()", () => {
  it("reads names and notices changes", () => {
    const path = join(directory(), "hosts");
    writeFileSync(path, "10.0.0.1 Users users2 # comment 10.0.0.7\n::1 users\nnonsense users\n");
    const hosts = new HostsFile(path);
    assert.deepEqual(hosts.lookup("users", 4), ["10.0.0.1"]);
    assert.deepEqual(hosts.lookup("USERS", 6), ["::1"]);
    assert.deepEqual(hosts.lookup("comment", 4), []);
    writeFileSync(path, "10.0.0.2 users\n");
    utimesSync(path, 1, 1);
    assert.deepEqual(hosts.lookup("users", 4), ["10.0.0.2"]);
  });
});
