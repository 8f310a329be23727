import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";

/**
 * A server for browsers and other clients: `/` is a page, `/echo` returns what it is sent, `/chat` is a WebSocket that echoes,
 * and `/report` is where the page tells what it has seen.
 */
export interface EchoSite {
  readonly port: number;
  readonly reports: readonly string[];
  stop(): Promise<void>;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Starts one that shows `page`. */
export async function startEchoSite(page = ""): Promise<EchoSite> {
  const reports: string[] = [];
  const server: Server = createServer((request, response) => {
    if (request.url === "/echo") {
      request.pipe(response);
      return;
    }
    if (request.url === "/report") {
      void text(request).then((report) => {
        reports.push(report);
        response.end();
      });
      return;
    }
    response.setHeader("content-type", "text/html");
    response.end(page);
  });
  const upgraded = new Set<Duplex>();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    upgraded.add(socket);
    socket.on("close", () => upgraded.delete(socket));
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`);
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Buffer) => {
      const reply = echoFrame(bytes);
      if (reply === undefined) socket.end();
      else socket.write(reply);
    });
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
        `sec-websocket-accept: ${accept.digest("base64")}\r\n\r\n`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    reports,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of upgraded) socket.destroy();
      }),
  };
}

/** A short text as a client's WebSocket frame (RFC 6455 section 5.2), with a mask of zeros. */
export function textFrame(content: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | content.length, 0, 0, 0, 0]), Buffer.from(content)]);
}

/** The answer to one short text frame; undefined for any other. */
function echoFrame(bytes: Buffer): Buffer | undefined {
  if (bytes[0] !== 0x81 || bytes.length < 6) return undefined;
  const length = bytes[1]! & 127;
  const mask = bytes.subarray(2, 6);
  const content = bytes.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i & 3]!);
  return Buffer.concat([Buffer.from([0x81, length]), content]);
}
