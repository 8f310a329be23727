import { onTermination, parsePort, UsageError, type CliCommand } from "../command.ts";
import { addEtcdFlags, etcdPlace, type EtcdFlags } from "../etcd-flags.ts";
import { printTable } from "../table.ts";
import type { TokenAdmin } from "../../registry/write-tokens.ts";

interface StoreFlags extends EtcdFlags {
  db: string;
}

interface ServeOptions extends StoreFlags {
  host: string;
  port: number;
  leaseSeconds: number;
  retentionSeconds: number;
  readTokens: boolean;
  logLevel: string;
}

const DB = ["--db <file>", "SQLite file of the registry", ".weft/registry.db"] as const;
const ETCD_PREFIX = "/weft/registry/";

/** `weft registry`: the service registry. */
export const registryCommand: CliCommand = {
  define(program) {
    const registry = program
      .command("registry")
      .description("the service registry: registration, leases, health, watching");
    addEtcdFlags(registry.command("serve", { isDefault: true }).option(...DB), ETCD_PREFIX)
      .description("run the registry")
      .option("--host <address>", "address to listen on", "127.0.0.1")
      .option("--port <port>", "port to listen on", parsePort, 8500)
      .option("--lease-seconds <seconds>", "lease of an instance that asks for none", Number, 30)
      .option(
        "--retention-seconds <seconds>",
        "how long expired and deregistered instances are kept",
        Number,
        600,
      )
      .option("--read-tokens", "reads need a token, too, once one is configured", false)
      .option("--log-level <level>", "debug, info, warn or error", "info")
      .action(serve);
    const token = registry
      .command("token")
      .description("tokens that may write; with the first one, writes need one");
    const store = (name: string) => addEtcdFlags(token.command(name).option(...DB), ETCD_PREFIX);
    store("create")
      .argument("<name>", "what it is for")
      .description("make a token; it is shown once")
      .action(create);
    store("list").description("tokens, without their secrets").action(list);
    store("revoke").argument("<id>").description("take a token away").action(revoke);
  },
};

async function serve({ db, ...options }: ServeOptions): Promise<void> {
  const { startRegistry } = await import("../../registry/start-registry.ts");
  const { makeFolderOf } = await import("../make-folder-of.ts");
  const place = etcdPlace(options);
  const { host, port, leaseSeconds, retentionSeconds, readTokens, logLevel } = options;
  if (place === undefined) makeFolderOf(db);
  const registry = await startRegistry({
    path: db,
    ...(place !== undefined && { etcd: place }),
    host,
    port,
    leaseSeconds,
    retentionSeconds,
    readTokens,
    logLevel,
  });
  onTermination(() => registry.close());
}

async function create(name: string, flags: StoreFlags): Promise<void> {
  await withTokens(flags, async (tokens) => console.log(await tokens.create(name)));
}

async function list(flags: StoreFlags): Promise<void> {
  await withTokens(flags, async (tokens) =>
    printTable(
      ["ID", "NAME", "CREATED"],
      (await tokens.list()).map((each) => [each.id, each.name, each.createdAt.toISOString()]),
    ),
  );
}

async function revoke(id: string, flags: StoreFlags): Promise<void> {
  await withTokens(flags, async (tokens) => {
    if (await tokens.revoke(id)) return;
    throw new UsageError(`Cannot revoke "${id}": "${flags.etcd ?? flags.db}" has no such token`);
  });
}

async function withTokens(flags: StoreFlags, work: (tokens: TokenAdmin) => Promise<void>): Promise<void> {
  const tokens = await openTokens(flags);
  try {
    await work(tokens);
  } finally {
    await tokens.close();
  }
}

async function openTokens(flags: StoreFlags): Promise<TokenAdmin> {
  const place = etcdPlace(flags);
  if (place !== undefined) return (await import("../../registry/etcd-tokens.ts")).openEtcdTokens(place);
  (await import("../make-folder-of.ts")).makeFolderOf(flags.db);
  return (await import("../../registry/token-table.ts")).openTokenFile(flags.db);
}
