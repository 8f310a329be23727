import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import type { TestContext } from "node:test";

/** Ports of an HTTP/1.1 and an HTTP/2 upstream. */
export interface SoakUpstreams {
  readonly h1: number;
  readonly h2: number;
}

/** Size of what /big answers. */
export const BIG = 1024 * 1024;

/** Starts them: /echo, /big, /slow, /reset, /early, and upgrades that echo. */
export async function startSoakUpstreams(t: TestContext): Promise<SoakUpstreams> {
  const h1 = http.createServer((request, response) =>
    answer(request.url!, request, response, () => request.socket.resetAndDestroy()),
  );
  h1.on("upgrade", (_request, socket: Duplex) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    socket.pipe(socket);
  });
  const h2 = http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
    if (headers[":method"] === "GET") stream.resume();
    // close() would end the body before it resets the stream.
    answer(headers[":path"]!, stream, stream, () => stream.destroy(new Error("on purpose")));
  });
  h2.on("sessionError", () => {});
  return { h1: await listen(t, h1), h2: await listen(t, h2) };
}

function answer(path: string, request: Readable, response: Writable, reset: () => void): void {
  request.on("error", () => {});
  response.on("error", () => {});
  switch (path.slice(path.lastIndexOf("/"))) {
    case "/big":
      response.end(Buffer.alloc(BIG, "b"));
      break;
    case "/slow": {
      let left = 10;
      const timer = setInterval(() => {
        response.write("slow piece");
        if (--left > 0 && !response.destroyed) return;
        clearInterval(timer);
        response.end();
      }, 50);
      break;
    }
    case "/reset":
      response.write("part");
      setTimeout(reset, 20);
      break;
    case "/early":
      response.end("early");
      request.resume();
      break;
    default:
      request.pipe(response);
  }
}

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}
