import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseClientHello } from "./client-hello.ts";

/** The first flight of a real client. */
async function realHello(servername: string, ALPNProtocols: string[] = []): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const bytes = new Promise<Buffer>((resolve) => {
    server.once("connection", (socket) =>
      socket.once("data", (data: Buffer) => {
        resolve(data);
        socket.destroy();
      }),
    );
  });
  const names = ALPNProtocols.length > 0 ? { ALPNProtocols } : {};
  const socket = connect({ port, host: "127.0.0.1", ...(servername !== "" && { servername }), ...names });
  socket.on("error", () => {});
  const hello = await bytes;
  server.close();
  return hello;
}

const LIMIT = 16_384;

describe("parseClientHello()", () => {
  it("reads server name and protocols", async () => {
    const hello = await realHello("WWW.Example.com", ["h2", "http/1.1"]);
    assert.deepEqual(parseClientHello(hello, LIMIT), {
      serverName: "www.example.com",
      protocols: ["h2", "http/1.1"],
    });
    assert.deepEqual(parseClientHello(await realHello(""), LIMIT), { serverName: "", protocols: [] });
  });

  it("waits for more at every cut, and for records that are split", async () => {
    const hello = await realHello("a.example", ["h2"]);
    for (let length = 0; length < hello.length; length++)
      assert.equal(parseClientHello(hello.subarray(0, length), LIMIT), "more", `${length} bytes`);
    const body = hello.subarray(5);
    const pieces: Buffer[] = [];
    for (let at = 0; at < body.length; at += 50) {
      const piece = body.subarray(at, at + 50);
      pieces.push(Buffer.from([22, 3, 1, 0, piece.length]), piece);
    }
    assert.deepEqual(parseClientHello(Buffer.concat(pieces), LIMIT), {
      serverName: "a.example",
      protocols: ["h2"],
    });
    const extra = Buffer.concat([hello, Buffer.from("early data")]);
    assert.equal((parseClientHello(extra, LIMIT) as { serverName: string }).serverName, "a.example");
  });

  it("tells other protocols and messages that are too large", async () => {
    for (const text of [
      "GET / HTTP/1.1\r\n",
      "PRI * HTTP/2.0",
      "\x16\x02",
      "\x16\x03\x01\x00\x00",
      "\x16\x03\x01\x00\x05\x02",
    ])
      assert.equal(parseClientHello(Buffer.from(text, "latin1"), LIMIT), "not-tls", JSON.stringify(text));
    const hello = await realHello("a.example");
    assert.equal(parseClientHello(hello, 100), "too-large");
    assert.equal(parseClientHello(hello.subarray(0, 100), 100), "too-large");
  });

  it("survives any mutation of a real one", async () => {
    const hello = await realHello("a.example", ["h2", "http/1.1"]);
    const change = fc.record({ at: fc.nat(hello.length - 1), value: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(hello.length), (changes, cut) => {
        const bytes = Buffer.from(hello.subarray(0, cut));
        for (const { at, value } of changes) if (at < cut) bytes[at] = value;
        const result = parseClientHello(bytes, LIMIT);
        assert.ok(typeof result === "object" || ["more", "not-tls", "too-large"].includes(result));
      }),
      { numRuns: 2000 },
    );
  });
});
