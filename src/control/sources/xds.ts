import { readFile } from "node:fs/promises";
import { systemClock } from "../../base/clock.ts";
import { secretOf } from "../../base/secret.ts";
import { GrpcChannel, type ChannelTls } from "../../grpc/channel.ts";
import { GrpcClient } from "../../grpc/client.ts";
import { create } from "../../proto/registry.ts";
import { AdsClient } from "../../xds/ads-client.ts";
import { decodeResources } from "../../xds/decode-resources.ts";
import { ADS_PATH } from "../../xds/types.ts";
import type { Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { follow, pause } from "./shared/follow.ts";
import { Pulse } from "./shared/pulse.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { warnOnce } from "./shared/warn-once.ts";
import { XdsMirror } from "./shared/xds-mirror.ts";

/** Changes within this time become one reading. */
const SETTLE_MS = 20;

/**
 * Another control plane, over its aggregated stream: clusters are services, with the endpoints that they have themselves
 * or get by EDS. Names that are not those of services (outbound|80||users) can be changed by a pattern.
 */
export const xdsSource = defineSource({
  name: "xds",
  description: "clusters and endpoints of another xDS server, over its aggregated stream",
  options: {
    address: { required: true, description: "the server's gRPC port, HOST:PORT" },
    node_id: { default: "weft-control", description: "node id to ask with" },
    node_cluster: { description: "node cluster to ask with" },
    zone: { description: "zone of the node to ask with" },
    pattern: {
      description:
        "regular expression that a cluster's name must match; its group named service, or else the first, is the service",
    },
    token: { secret: true, description: "bearer token" },
    tls: { kind: "boolean", default: "false", description: "speak TLS" },
    timeout: { kind: "duration", default: "10s", min: 10, description: "longest wait for the first answer" },
    ...tlsOptions,
  },
  check({ address, pattern }) {
    if (!/^.+:\d+$/.test(address)) throw new Error(`address "${address}" is not HOST:PORT`);
    if (pattern !== "") new RegExp(pattern);
  },
  watch(options, context) {
    const { address, timeout } = options;
    const mirror = new XdsMirror(options.pattern, warnOnce(context.log));
    return follow(`xds ${address}`, context, async function* (signal): AsyncGenerator<Reading> {
      const colon = address.lastIndexOf(":");
      const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
      const channel = new GrpcChannel(host, Number(address.slice(colon + 1)), await tlsOf(options));
      const token = await secretOf(options.token);
      const pulse = new Pulse();
      let broken: string | undefined;
      const client = new AdsClient({
        path: ADS_PATH,
        node: create("envoy.config.core.v3.Node", {
          id: options.node_id,
          cluster: options.node_cluster,
          userAgentName: "weft-control",
          ...(options.zone !== "" && { locality: { zone: options.zone } }),
        }),
        servers: [
          new GrpcClient(channel, {
            cluster: "xds",
            authority: address,
            ...(token !== "" && { metadata: [["authorization", `Bearer ${token}`]] }),
          }),
        ],
        clock: systemClock,
        random: Math.random,
        decode: decodeResources,
        onState(connected, detail) {
          broken = connected ? undefined : detail || "the stream ended";
          pulse.notify();
        },
      });
      signal.addEventListener("abort", () => {
        client.close();
        channel.close();
      });
      mirror.begin(client, () => pulse.notify());
      const deadline = performance.now() + timeout;
      while (!signal.aborted) {
        await pulse.wait(signal, mirror.complete ? undefined : Math.max(1, deadline - performance.now()));
        if (signal.aborted) return;
        if (broken !== undefined) throw new Error(broken);
        if (!mirror.complete) {
          if (performance.now() >= deadline)
            throw new Error(`no answer within ${timeout} ms for ${mirror.missing}`);
          continue;
        }
        await pause(SETTLE_MS, signal);
        yield mirror.reading();
      }
    });
  },
});

async function tlsOf(options: {
  readonly tls: boolean;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly insecure: boolean;
}): Promise<ChannelTls | undefined> {
  if (!options.tls) return undefined;
  const read = async (file: string) => (file === "" ? undefined : readFile(file, "utf8"));
  const [ca, cert, key] = await Promise.all([read(options.ca), read(options.cert), read(options.key)]);
  return { ca, cert, key, insecure: options.insecure };
}
