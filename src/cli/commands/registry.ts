import { onTermination, parsePort, UsageError, type CliCommand } from "../command.ts";
import { printTable } from "../table.ts";

interface ServeOptions {
  db: string;
  host: string;
  port: number;
  leaseSeconds: number;
  retentionSeconds: number;
  readTokens: boolean;
  logLevel: string;
}

const DB = ["--db <file>", "SQLite file of the registry", ".weft/registry.db"] as const;

/** `weft registry`: the service registry. */
export const registryCommand: CliCommand = {
  define(program) {
    const registry = program
      .command("registry")
      .description("the service registry: registration, leases, health, watching");
    registry
      .command("serve", { isDefault: true })
      .description("run the registry")
      .option(...DB)
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
    token
      .command("create")
      .argument("<name>", "what it is for")
      .option(...DB)
      .description("make a token; it is shown once")
      .action(create);
    token
      .command("list")
      .option(...DB)
      .description("tokens, without their secrets")
      .action(list);
    token
      .command("revoke")
      .argument("<id>")
      .option(...DB)
      .description("take a token away")
      .action(revoke);
  },
};

async function serve({ db, ...options }: ServeOptions): Promise<void> {
  const { startRegistry } = await import("../../registry/start-registry.ts");
  const { makeFolderOf } = await import("../make-folder-of.ts");
  makeFolderOf(db);
  const registry = await startRegistry({ path: db, ...options });
  onTermination(() => registry.close());
}

async function create(name: string, { db }: { db: string }): Promise<void> {
  const { createRegistryToken } = await import("../../registry/token-table.ts");
  const { makeFolderOf } = await import("../make-folder-of.ts");
  makeFolderOf(db);
  console.log(createRegistryToken(db, name).token);
}

async function list({ db }: { db: string }): Promise<void> {
  const { listRegistryTokens } = await import("../../registry/token-table.ts");
  printTable(
    ["ID", "NAME", "CREATED"],
    listRegistryTokens(db).map((each) => [each.id, each.name, each.createdAt.toISOString()]),
  );
}

async function revoke(id: string, { db }: { db: string }): Promise<void> {
  const { revokeRegistryToken } = await import("../../registry/token-table.ts");
  if (!revokeRegistryToken(db, id)) throw new UsageError(`Cannot revoke "${id}": "${db}" has no such token`);
}
