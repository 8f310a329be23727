import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { encodeFrame, FrameDecoder } from "../grpc/frame.ts";
import { create, decode, encode, type MessageOf } from "../proto/registry.ts";
import { XDS_TYPES, type XdsKind } from "../xds/types.ts";

export type AdsRequest = MessageOf<"envoy.service.discovery.v3.DiscoveryRequest">;

/** An ADS server that shows requests one by one and says what it is told to say. */
export class ScriptedAdsServer {
  readonly port: number;
  /** Opened so far. */
  streams = 0;
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #requests: AdsRequest[] = [];
  #wanted: ((request: AdsRequest) => void)[] = [];
  #stream: http2.ServerHttp2Stream | undefined;

  static async start(t: { after(what: () => void): void }, port = 0): Promise<ScriptedAdsServer> {
    const server = http2.createServer();
    await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
    const started = new ScriptedAdsServer(server);
    t.after(() => started.close());
    return started;
  }

  private constructor(server: http2.Http2Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("session", (session) => this.#sessions.add(session));
    server.on("stream", (stream: http2.ServerHttp2Stream) => {
      this.#stream = stream;
      this.streams++;
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.on("error", () => undefined);
      const decoder = new FrameDecoder();
      stream.on("data", (chunk: Buffer) => {
        for (const bytes of decoder.push(chunk)) {
          const request = decode("envoy.service.discovery.v3.DiscoveryRequest", bytes);
          const wanted = this.#wanted.shift();
          if (wanted === undefined) this.#requests.push(request);
          else wanted(request);
        }
      });
    });
  }

  next(): Promise<AdsRequest> {
    const request = this.#requests.shift();
    return request === undefined
      ? new Promise((resolve) => this.#wanted.push(resolve))
      : Promise.resolve(request);
  }

  send(kind: XdsKind, version: string, nonce: string, resources: MessageOf<"google.protobuf.Any">[]): void {
    const response = create("envoy.service.discovery.v3.DiscoveryResponse", {
      versionInfo: version,
      nonce,
      typeUrl: XDS_TYPES[kind].typeUrl,
      resources,
    });
    this.#stream!.write(encodeFrame(encode("envoy.service.discovery.v3.DiscoveryResponse", response)));
  }

  breakStream(): void {
    this.#stream!.close(2);
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
  }
}
