import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { HeaderMap } from "../../src/http/header-map.ts";
import type { H2ServerOptions } from "../../src/http/h2/options.ts";
import type { CodecStream, StreamHandler } from "../../src/http/stream.ts";
import { startH2Server } from "../../src/testing/h2-peers.ts";
import { responseMap } from "../../src/testing/h2-play.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";

// The HTTP/2 server codec under tools that others wrote. Each run is bounded in time.

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;
const BODY = Buffer.from("hello from the codec");

/** Answers each request when it is complete. */
class Answer implements StreamHandler {
  readonly #stream: CodecStream;

  constructor(stream: CodecStream) {
    this.#stream = stream;
  }

  onInterim(): void {}

  onHeaders(headers: HeaderMap, end: boolean): void {
    headers.release();
    if (end) this.#answer();
  }

  onData(_chunk: Buffer, end: boolean): void {
    if (end) this.#answer();
  }

  onTrailers(trailers: HeaderMap): void {
    trailers.release();
    this.#answer();
  }

  onReset(): void {}
  onCodecError(): void {}
  onDrain(): void {}

  #answer(): void {
    const map = responseMap();
    this.#stream.headers(map, false);
    map.release();
    this.#stream.data(BODY, true);
  }
}

async function serving<T>(options: Partial<H2ServerOptions>, test: (port: number) => Promise<T>): Promise<T> {
  const server = await startH2Server((stream) => new Answer(stream), options);
  try {
    return await test(server.port);
  } finally {
    await server.stop();
  }
}

for (const overrideStreamErrorOnInvalidHttpMessage of [false, true]) {
  const name = overrideStreamErrorOnInvalidHttpMessage ? "stream errors" : "connection errors";
  peerTest(`h2spec passes completely, malformed messages as ${name}`, ["h2spec"], async () => {
    const output = await serving({ overrideStreamErrorOnInvalidHttpMessage }, async (port) => {
      const args = ["--strict", "-h", "127.0.0.1", "-p", String(port), "-o", "2"];
      return await run(findPeer("h2spec")!, args, { timeout: TIMEOUT_MS }).catch(
        (error: Error & { stdout?: string }) => ({ stdout: error.stdout ?? error.message }),
      );
    });
    const [, tests, passed, skipped, failed] =
      /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output.stdout) ?? [];
    assert.equal(`${skipped} skipped, ${failed} failed`, "0 skipped, 0 failed", output.stdout);
    assert.equal(tests, passed);
    assert.ok(Number(tests) >= 145, tests);
  });
}

peerTest("curl speaks HTTP/2 with prior knowledge", ["curl"], async () => {
  await serving({}, async (port) => {
    const url = `http://127.0.0.1:${port}/`;
    const common = ["-s", "--http2-prior-knowledge", "-m", "20", "-w", " %{http_version} %{http_code}"];
    const { stdout } = await run(findPeer("curl")!, [...common, url], { timeout: TIMEOUT_MS });
    assert.equal(stdout, `${String(BODY)} 2 200`);
    const upload = [...common, "-H", "expect:", "--data-binary", `@${process.execPath}`, url];
    const big = await run(findPeer("curl")!, upload, { timeout: TIMEOUT_MS });
    assert.equal(big.stdout, `${String(BODY)} 2 200`);
  });
});

peerTest("h2load's requests all succeed", ["h2load"], async () => {
  await serving({}, async (port) => {
    const args = ["-n", "5000", "-c", "5", "-m", "20", `http://127.0.0.1:${port}/`];
    const { stdout } = await run(findPeer("h2load")!, args, { timeout: TIMEOUT_MS });
    assert.match(stdout, /5000 succeeded, 0 failed, 0 errored/);
  });
});
