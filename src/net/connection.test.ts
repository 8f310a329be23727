import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { Connection, type ConnectionHandler } from "./connection.ts";
import { NetContext } from "./net-context.ts";

/** Writes down what a connection tells, and wakes whoever waits for it. */
class Log implements ConnectionHandler {
  text = "";
  events: string[] = [];
  onRead: (bytes: Buffer) => void = () => {};
  onDrained: () => void = () => {};
  #waiting: { test: () => boolean; wake: () => void }[] = [];

  onConnect(): void {
    this.#tell("connect");
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.toString("latin1", start, end);
    this.onRead(bytes.subarray(start, end));
    this.#tell("");
  }

  onEnd(): void {
    this.#tell("end");
  }

  onDrain(): void {
    this.onDrained();
    this.#tell("drain");
  }

  onClose(error: string): void {
    this.#tell(`close ${error}`.trim());
  }

  until(test: () => boolean): Promise<void> {
    return test() ? Promise.resolve() : new Promise((wake) => this.#waiting.push({ test, wake }));
  }

  saw(event: string): Promise<void> {
    return this.until(() => this.events.includes(event));
  }

  #tell(event: string): void {
    if (event !== "") this.events.push(event);
    this.#waiting = this.#waiting.filter(({ test, wake }) => {
      if (!test()) return true;
      wake();
      return false;
    });
  }
}

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A connection of ours to a plain socket. */
async function connect(context = new NetContext()) {
  const server = createServer({ allowHalfOpen: true });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const log = new Log();
  const accepted = once(server, "connection");
  const connection = Connection.connect(
    { port: (server.address() as AddressInfo).port, host: "127.0.0.1" },
    context,
    log,
  );
  const [peer] = (await accepted) as [Socket];
  peer.on("error", () => {});
  await log.saw("connect");
  return { log, connection, peer, context };
}

/** A connection that we accepted from a plain socket. */
async function accept(context = new NetContext()) {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const log = new Log();
  const { connect: open } = await import("node:net");
  const peer = open({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  peer.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  return { log, peer, context, connection: Connection.accept(socket, context, log) };
}

function text(socket: Socket): { value: string; has(length: number): Promise<void> } {
  const got = {
    value: "",
    has: async (length: number): Promise<void> => {
      while (got.value.length < length) await once(socket, "data");
    },
  };
  socket.on("data", (bytes: Buffer) => (got.value += bytes.toString("latin1")));
  socket.resume();
  return got;
}

describe("Connection", () => {
  for (const [name, open] of [
    ["connect()", connect],
    ["accept()", accept],
  ] as const) {
    it(`${name} carries bytes both ways`, async () => {
      const { log, connection, peer } = await open();
      const got = text(peer);
      peer.write("ping");
      await log.until(() => log.text === "ping");
      connection.writeText("po");
      connection.writeBytes(Buffer.from("ng\xff", "latin1"));
      await got.has(5);
      assert.equal(got.value, "pong\xff");
      assert.equal(connection.bytesReceived, 4);
      assert.equal(connection.bytesSent, 5);
      connection.destroy();
    });

    it(`${name} tells of the peer's half-close and stays writable`, async () => {
      const { log, connection, peer } = await open();
      const got = text(peer);
      peer.end("bye");
      await log.saw("end");
      assert.equal(log.text, "bye");
      connection.writeText("still here");
      await got.has(10);
      connection.end();
      await log.saw("close");
      assert.ok(connection.closed);
    });

    it(`${name} keeps the order of text and large bytes`, async () => {
      const { connection, peer } = await open();
      const got = text(peer);
      const large = "L".repeat(10_000);
      connection.writeText("a");
      connection.writeBytes(Buffer.from(large));
      connection.writeText("b");
      connection.writeBytes(Buffer.from("c"));
      connection.writeBytes(Buffer.from(large));
      connection.close();
      await once(peer, "end");
      assert.equal(got.value, `a${large}bc${large}`);
      peer.end();
    });

    it(`${name} counts pauses`, async () => {
      const { log, connection, peer } = await open();
      connection.pauseReading();
      connection.pauseReading();
      peer.write("x");
      connection.resumeReading();
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(log.text, "");
      connection.resumeReading();
      await log.until(() => log.text === "x");
      connection.destroy();
    });

    it(`${name} says when it is blocked and when it has drained`, async () => {
      const { log, connection, peer } = await open();
      peer.pause();
      const chunk = Buffer.alloc(60_000, "z");
      let sent = 0;
      while (connection.writeBytes(Buffer.from(chunk)) && sent < 50_000_000) sent += chunk.length;
      sent += chunk.length;
      assert.ok(connection.blocked);
      assert.ok(sent < 50_000_000);
      assert.ok(connection.buffered > 0);
      const got = text(peer);
      await log.saw("drain");
      assert.equal(connection.blocked, false);
      assert.equal(connection.buffered, 0);
      await got.has(sent);
      assert.equal(connection.writeBytes(chunk), true);
      connection.destroy();
    });

    it(`${name} pauses asked for within a read hold at once`, async () => {
      const { log, connection, peer } = await open();
      log.onRead = () => connection.pauseReading();
      peer.write("1");
      await log.until(() => log.text === "1");
      peer.write("2");
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(log.text, "1");
      connection.resumeReading();
      await log.until(() => log.text === "12");
      connection.destroy();
    });

    it(`${name} resets with RST, and tells of one`, async () => {
      const { connection, peer } = await open();
      const failed = once(peer, "error");
      peer.resume();
      connection.reset();
      assert.equal(((await failed) as NodeJS.ErrnoException[])[0]!.code, "ECONNRESET");
      const other = await open();
      other.peer.resetAndDestroy();
      await other.log.saw("close ECONNRESET");
    });
  }

  it("tells why it could not connect", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const log = new Log();
    Connection.connect({ port, host: "127.0.0.1" }, new NetContext(), log);
    await log.saw("close ECONNREFUSED");
    assert.deepEqual(log.events, ["close ECONNREFUSED"]);
  });

  it("writes once per round of the event loop", async () => {
    const { log, connection, peer } = await accept();
    let writes = 0;
    const { socket } = connection;
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = ((...args: unknown[]) => {
      writes++;
      return write(...args);
    }) as typeof socket.write;
    const got = text(peer);
    log.onRead = () => {
      connection.writeText("a");
      connection.writeBytes(Buffer.from("b"));
      connection.writeText("c");
      assert.equal(writes, 0);
    };
    peer.write("x");
    await got.has(3);
    assert.equal(writes, 1);
    // Outside of a read the turn ends with the event loop's.
    connection.writeText("d");
    connection.writeText("e");
    assert.equal(writes, 1);
    await got.has(5);
    assert.equal(writes, 2);
    connection.destroy();
  });

  it("copies what it relays from the shared buffer", async () => {
    const context = new NetContext();
    const from = await connect(context);
    const to = await connect(context);
    to.peer.pause();
    // Everything goes on to a peer that does not read for a while; the shared buffer is overwritten meanwhile.
    from.log.onRead = (bytes) => to.connection.writeBytes(bytes);
    const sent = Array.from({ length: 200 }, (_, i) =>
      String.fromCharCode(97 + (i % 26)).repeat(40_000),
    ).join("");
    from.peer.write(sent);
    await from.log.until(() => from.log.text.length === sent.length);
    const got = text(to.peer);
    await got.has(sent.length);
    assert.ok(got.value === sent);
    from.connection.destroy();
    to.connection.destroy();
  });

  for (const kind of ["outgoing", "accepted"] as const)
    it(`relays long reads of ${kind} connections without mixing bytes up`, async () => {
      const context = new NetContext();
      const from = kind === "outgoing" ? await connect(context) : await accept(context);
      const to = await connect(context);
      from.connection.streamReads(true);
      const sent = Array.from({ length: 600 }, (_, i) =>
        String.fromCharCode(97 + (i % 26)).repeat(40_000),
      ).join("");
      const got = text(to.peer);
      let paused = false;
      // The receiver reads in fits and starts: buffers are kept for it, given back and used again.
      const fits = setInterval(() => (to.peer.isPaused() ? to.peer.resume() : to.peer.pause()), 2);
      from.log.onRead = (bytes) => {
        if (to.connection.writeBytes(bytes) || paused) return;
        paused = true;
        from.connection.pauseReading();
      };
      to.log.onDrained = () => {
        if (!paused) return;
        paused = false;
        from.connection.resumeReading();
      };
      from.peer.write(sent);
      await got.has(sent.length);
      clearInterval(fits);
      assert.ok(got.value === sent);
      from.connection.destroy();
      to.connection.destroy();
    });

  it("frees the memory of a long read that was written", async () => {
    const context = new NetContext();
    const from = await accept(context);
    const to = await connect(context);
    const longReads: Buffer[] = [];
    from.log.onRead = (bytes) => {
      if (bytes.length >= 8192) longReads.push(bytes);
      to.connection.writeBytes(bytes);
    };
    const got = text(to.peer);
    // So much comes in memory of its own; of 64 KiB that are nearly full Node keeps the rest for the next read.
    const sent = "a".repeat(20_000);
    from.peer.write(sent);
    await got.has(sent.length);
    assert.ok(got.value === sent);
    assert.ok(longReads.length > 0);
    for (const bytes of longReads) assert.equal(bytes.buffer.byteLength, 0);
    from.connection.destroy();
    to.connection.destroy();
  });

  it("ignores writes after its end, and a second close", async () => {
    const { log, connection, peer } = await connect();
    const got = text(peer);
    connection.writeText("last");
    connection.close();
    connection.writeText("lost");
    assert.equal(connection.writeBytes(Buffer.from("lost")), false);
    await once(peer, "end");
    peer.end();
    await log.saw("close");
    connection.close();
    connection.end();
    connection.resumeReading();
    assert.equal(got.value, "last");
    assert.equal(log.events.filter((event) => event === "close").length, 1);
  });
});
