import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { frame, getFields, headers, PREFACE, settings, uint32 } from "../../testing/h2-frames.ts";
import { startH2Server } from "../../testing/h2-peers.ts";
import { responseMap } from "../../testing/h2-play.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import type { HeaderMap } from "../header-map.ts";
import type { CodecStream, StreamHandler } from "../stream.ts";

const SIZE = 40_000_000;
const CHUNK = Buffer.alloc(60_000, "x");

/** Writes SIZE bytes as fast as it may. */
class Torrent implements StreamHandler {
  static written = 0;
  readonly #stream: CodecStream;

  constructor(stream: CodecStream) {
    this.#stream = stream;
  }

  onHeaders(request: HeaderMap): void {
    request.release();
    const map = responseMap();
    this.#stream.headers(map, false);
    map.release();
    this.onDrain();
  }

  onDrain(): void {
    while (Torrent.written < SIZE) {
      const chunk = CHUNK.subarray(0, SIZE - Torrent.written);
      Torrent.written += chunk.length;
      if (!this.#stream.data(chunk, Torrent.written === SIZE)) return;
    }
  }

  onInterim(): void {}
  onData(): void {}
  onTrailers(): void {}
  onReset(): void {}
  onCodecError(): void {}
}

describe("H2ServerCodec and a client that does not read", () => {
  it("holds little until it reads, then sends the rest", async () => {
    const server = await startH2Server((stream) => new Torrent(stream));
    const socket = connect(server.port, "127.0.0.1");
    try {
      socket.pause();
      let received = 0;
      // Windows are no limit: only the socket is.
      const opening = [
        PREFACE,
        settings({ 4: 0x7fff_ffff }),
        frame("WINDOW_UPDATE", 0, 0, uint32(0x7000_0000)),
      ];
      socket.write(Buffer.concat([...opening, headers(1, getFields())]));
      await waitUntil("first bytes", () => Torrent.written > 0);
      let before = -1;
      await waitUntil("a standstill", () => {
        const still = Torrent.written === before;
        before = Torrent.written;
        return still;
      });
      const { connection } = server.connections[0]!;
      assert.ok(connection.buffered < 1_000_000, String(connection.buffered));
      assert.ok(Torrent.written < SIZE / 2, String(Torrent.written));
      socket.on("data", (bytes) => (received += bytes.length));
      socket.resume();
      await waitUntil("the rest", () => received >= SIZE);
      assert.equal(Torrent.written, SIZE);
    } finally {
      socket.destroy();
      await server.stop();
    }
  });
});
