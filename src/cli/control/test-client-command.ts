import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { ChannelTls } from "../../grpc/channel.ts";
import { UsageError } from "../command.ts";

interface TestClientOptions {
  xds: string;
  delta: boolean;
  type: string[];
  names?: string;
  nodeId: string;
  cluster: string;
  region: string;
  zone: string;
  metadata?: string;
  userAgent: string;
  nack?: string;
  once: boolean;
  short: boolean;
  ca?: string;
  cert?: string;
  key?: string;
  serverName?: string;
}

/** `weft control test-client`: asks any xDS server as a proxy would, and shows what it answers. */
export function defineTestClientCommand(control: Command): void {
  control
    .command("test-client")
    .description("ask an xDS server as a proxy would, and print what it answers")
    .option("--xds <address:port>", "the server's gRPC port", "127.0.0.1:18000")
    .option("--delta", "incremental in place of state of the world", false)
    .option(
      "--type <type>",
      "clusters, endpoints, listeners, routes, secrets or a type's name; repeatable; default: clusters",
      (value: string, before: string[]) => [...before, value],
      [] as string[],
    )
    .option("--names <names>", "resources to ask for, with commas between; default: all that there are")
    .option("--node-id <id>", "node id", "test-client")
    .option("--cluster <name>", "node cluster", "edge")
    .option("--region <region>", "region", "")
    .option("--zone <zone>", "availability zone", "")
    .option("--metadata <json>", 'node metadata, e.g. \'{"weft":{"view":"edge"}}\'')
    .option("--user-agent <name>", "user agent of the node", "envoy")
    .option("--nack <reason>", "reject everything, with this reason")
    .option("--once", "end when each type was answered once", false)
    .option("--short", "names and versions only", false)
    .option("--ca <file>", "certificates to trust, PEM: TLS")
    .option("--cert <file>", "client certificate, PEM")
    .option("--key <file>", "its key, PEM")
    .option("--server-name <name>", "name to expect in the server's certificate")
    .action(run);
}

async function run(options: TestClientOptions): Promise<void> {
  const { followXds } = await import("../../xds/follow-xds.ts");
  const { GrpcChannel } = await import("../../grpc/channel.ts");
  const [host, port] = addressOf(options.xds);
  const channel = new GrpcChannel(host, port, tlsOf(options));
  const types = options.type.length === 0 ? ["clusters"] : options.type;
  const names = options.names === undefined ? [] : options.names.split(",");
  const outcome = await followXds({
    channel,
    authority: options.xds,
    delta: options.delta,
    types,
    names,
    node: nodeOf(options),
    ...(options.nack !== undefined && { nack: options.nack }),
    once: options.once,
    onResponse({ type, version, nonce, resources, removed }) {
      console.log(`${type} version ${version || "-"} nonce ${nonce}: ${resources.length} resources`);
      for (const { name, version: own, json } of resources) {
        console.log(`  ${name}${own === "" ? "" : ` (version ${own})`}`);
        if (!options.short) console.log(JSON.stringify(json, null, 2).replaceAll(/^/gm, "    "));
      }
      for (const name of removed) console.log(`  ${name} is removed`);
    },
  });
  channel.close();
  if (outcome.code !== 0)
    throw new Error(`The stream to ${options.xds} ended with status ${outcome.code}: ${outcome.message}`);
}

function addressOf(text: string): [host: string, port: number] {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UsageError(`Cannot use --xds: "${text}" is not ADDRESS:PORT`);
  return [text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port];
}

function tlsOf({ ca, cert, key, serverName }: TestClientOptions): ChannelTls | undefined {
  if (ca === undefined) return undefined;
  const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file, "utf8"));
  return { ca: read(ca), cert: read(cert), key: read(key), servername: serverName };
}

function nodeOf({ nodeId, cluster, region, zone, metadata, userAgent }: TestClientOptions): JsonObject {
  let parsed: JsonValue = {};
  try {
    if (metadata !== undefined) parsed = JSON.parse(metadata) as JsonValue;
  } catch (error) {
    throw new UsageError(`Cannot use --metadata: it is not JSON: ${(error as Error).message}`);
  }
  return { id: nodeId, cluster, locality: { region, zone }, metadata: parsed, user_agent_name: userAgent };
}
