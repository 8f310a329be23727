// Many xDS clients in one process. Usage: node clients.ts PORT CLIENTS SERVICES sotw|delta
// Each asks for all clusters and then for the endpoints of all of them. Prints "synced MILLISECONDS" when the last has
// everything, and for each line on stdin "pushed LAST P50 P99": milliseconds until clients had the next change.
import { createInterface } from "node:readline";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { TimerWheel } from "../../src/base/timer-wheel.ts";
import { encodeFrame } from "../../src/grpc/frame.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { H2ClientCodec } from "../../src/http/h2/client-codec.ts";
import { DEFAULT_H2_CLIENT_OPTIONS } from "../../src/http/h2/options.ts";
import type { CodecStream, StreamHandler } from "../../src/http/stream.ts";
import { Connection } from "../../src/net/connection.ts";
import { NetContext } from "../../src/net/net-context.ts";
import { DiscoveryScanner } from "./discovery-scanner.ts";
import { serviceName } from "./mesh-size.ts";

const [port, clients, services] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const delta = process.argv[5] === "delta";
const CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService";
const PATH = `${ADS}/${delta ? "DeltaAggregatedResources" : "StreamAggregatedResources"}`;
/** Clients that may be without their first answer at a time. */
const AT_ONCE = 1000;

const context = new NetContext();
const wheel = new TimerWheel();
const names = namesField();
let synced = 0;
let opened = 0;
let started = 0;
/** When the change was asked for, and how long it took to reach each client. */
let asked = 0;
let latencies: number[] = [];

class XdsClient {
  readonly #stream: CodecStream;
  readonly #id: number;
  #synced = false;

  constructor(id: number) {
    this.#id = id;
    const scanner = new DiscoveryScanner(() => this.#onResponse(scanner));
    const fail = (why: string) => {
      console.error(`client ${id}: ${why}`);
      process.exit(1);
    };
    const handler: StreamHandler = {
      onInterim: (_status, headers) => headers.release(),
      onHeaders: (headers, end) => {
        if (end) fail(`refused: ${headers.get("grpc-message")}`);
        headers.release();
      },
      onData: (chunk) => scanner.push(chunk),
      onTrailers: (trailers) => fail(`ended: ${trailers.get("grpc-status")} ${trailers.get("grpc-message")}`),
      onReset: (reason, detail) => fail(`reset: ${reason} ${detail}`),
      onCodecError: () => fail("codec error"),
      onDrain() {},
    };
    const connection: Connection = Connection.connect({ host: "127.0.0.1", port }, context, {
      onConnect() {},
      onBytes: (bytes, start, end) => codec.feed(bytes, start, end),
      onEnd: () => codec.onEnd(),
      onDrain: () => codec.onDrain(),
      onClose: (error) => fail(`closed: ${error}`),
    });
    const codec = new H2ClientCodec(
      connection,
      { onIdle() {}, onUnusable: (reason) => fail(`unusable: ${reason}`) },
      DEFAULT_H2_CLIENT_OPTIONS,
      wheel,
    );
    this.#stream = codec.newStream(handler);
    const head = HeaderMap.of([
      ["content-type", "application/grpc"],
      ["te", "trailers"],
    ]);
    head.method = "POST";
    head.scheme = "http";
    head.authority = "xds";
    head.path = PATH;
    this.#stream.headers(head, false);
    head.release();
    this.#ask(CLUSTERS, "", "");
  }

  #onResponse({ typeUrl, version, nonce, resources }: DiscoveryScanner): void {
    this.#ask(typeUrl, version, nonce);
    if (typeUrl === CLUSTERS) {
      if (!this.#synced) this.#ask(ENDPOINTS, "", "");
    } else if (this.#synced) latencies.push(now() - asked);
    else {
      if (resources !== services) console.error(`client ${this.#id}: ${resources} resources of ${services}`);
      this.#synced = true;
      onSynced();
    }
    if (asked > 0 && latencies.length === clients) report();
  }

  #ask(typeUrl: string, version: string, nonce: string): void {
    const fields = delta ? { node: 1, typeUrl: 2, nonce: 6 } : { version: 1, node: 2, typeUrl: 4, nonce: 5 };
    const writer = new BinaryWriter();
    if (fields.version !== undefined && version !== "") text(writer, fields.version, version);
    if (nonce === "" && typeUrl === CLUSTERS) {
      const node = new BinaryWriter();
      text(node, 1, `node-${this.#id}`);
      text(node, 2, "bench");
      writer.tag(fields.node, WireType.LengthDelimited).bytes(node.finish());
    }
    text(writer, fields.typeUrl, typeUrl);
    if (nonce !== "") text(writer, fields.nonce, nonce);
    const listed = typeUrl === ENDPOINTS && (!delta || nonce === "");
    // Fields may stand in any order.
    this.#stream.data(encodeFrame(listed ? Buffer.concat([names, writer.finish()]) : writer.finish()), false);
  }
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

/** Names of all services; the field has the same number in both protocols. */
function namesField(): Uint8Array {
  const writer = new BinaryWriter();
  for (let i = 0; i < services; i++) text(writer, 3, serviceName(i));
  return writer.finish();
}

function onSynced(): void {
  synced++;
  if (synced === clients) console.log(`synced ${now() - started}`);
  else if (opened < clients) open();
}

function open(): void {
  new XdsClient(opened++);
}

function report(): void {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  console.log(`pushed ${sorted.at(-1)!} ${at(0.5)} ${at(0.99)}`);
  asked = 0;
  latencies = [];
}

/** Milliseconds that two processes agree on. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

createInterface({ input: process.stdin })
  .on("line", (time) => {
    asked = Number(time);
    latencies = [];
  })
  .on("close", () => process.exit());
started = now();
for (let i = 0; i < Math.min(AT_ONCE, clients); i++) open();
