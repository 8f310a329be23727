import { collect, onTermination, parsePort, UsageError, type CliCommand } from "../command.ts";
import { printTable } from "../table.ts";

interface ServeOptions {
  db: string;
  host: string;
  port: number;
  adminPort: number;
  grpcPort: number;
  pathPrefix: string;
  policy?: string;
  jwks?: string;
  jwtIssuer?: string;
  jwtAudience?: string[];
  jwtClockSkew: number;
  realm: string;
  logLevel: string;
}

const DB = ["--db <file>", "SQLite file of the tokens", ".weft/auth.db"] as const;

/** `weft auth`: the service that an edge asks about each request. */
export const authCommand: CliCommand = {
  define(program) {
    const auth = program
      .command("auth")
      .description("the auth service behind ext_authz: tokens and JWTs in, user and roles out");
    auth
      .command("serve", { isDefault: true })
      .description("run the auth service")
      .option(...DB)
      .option("--host <address>", "address to listen on", "127.0.0.1")
      .option("--port <port>", "port that proxies ask (ext_authz over HTTP)", parsePort, 9191)
      .option("--grpc-port <port>", "port that proxies ask over gRPC", parsePort, 9193)
      .option("--admin-port <port>", "port of health and metrics", parsePort, 9192)
      .option("--path-prefix <prefix>", "what ext_authz's path_prefix puts before the path", "")
      .option("--policy <file>", "YAML rules by path, method, roles and users; reloaded when it changes")
      .option("--jwks <file-or-url>", "accept JWTs signed by these keys")
      .option("--jwt-issuer <issuer>", "required iss of JWTs")
      .option("--jwt-audience <audience>", "accepted aud of JWTs; repeatable", collect)
      .option("--jwt-clock-skew <seconds>", "by how much clocks may differ", Number, 30)
      .option("--realm <realm>", "realm of WWW-Authenticate", "weft")
      .option("--log-level <level>", "debug, info, warn or error", "info")
      .action(serve);
    const token = auth
      .command("token")
      .description("opaque bearer tokens; a running auth service follows within a second");
    token
      .command("create")
      .argument("<user>", "whom it stands for: x-user-id")
      .option(...DB)
      .option("--role <role>", "a role; repeatable", collect)
      .option("--ttl-seconds <seconds>", "when it ends; never, when left out", Number)
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
      .description("end a token")
      .action(revoke);
  },
};

async function serve(given: ServeOptions): Promise<void> {
  const { startAuth } = await import("../../auth/start-auth.ts");
  const { makeFolderOf } = await import("../make-folder-of.ts");
  const { db, policy, jwks, jwtIssuer, jwtAudience, jwtClockSkew, ...options } = given;
  if (jwks !== undefined && (jwtIssuer === undefined || jwtAudience === undefined)) {
    throw new UsageError("Cannot accept JWTs: --jwks needs --jwt-issuer and --jwt-audience");
  }
  makeFolderOf(db);
  const auth = await startAuth({
    path: db,
    ...options,
    policyPath: policy,
    jwt:
      jwks === undefined
        ? undefined
        : { jwks, issuer: jwtIssuer!, audience: jwtAudience!, clockSkewSeconds: jwtClockSkew },
  });
  onTermination(() => auth.close());
}

async function create(
  user: string,
  options: { db: string; role?: string[]; ttlSeconds?: number },
): Promise<void> {
  const { createAuthToken } = await import("../../auth/token-file.ts");
  const { makeFolderOf } = await import("../make-folder-of.ts");
  makeFolderOf(options.db);
  const { token } = createAuthToken(options.db, {
    user,
    roles: options.role ?? [],
    ttlSeconds: options.ttlSeconds,
  });
  console.log(token);
}

async function list({ db }: { db: string }): Promise<void> {
  const { listAuthTokens } = await import("../../auth/token-file.ts");
  const rows = listAuthTokens(db).map((each) => [
    each.id,
    each.user,
    each.roles.join(",") || "-",
    each.createdAt.toISOString(),
    each.revokedAt !== undefined
      ? `revoked ${each.revokedAt.toISOString()}`
      : (each.expiresAt?.toISOString() ?? "never ends"),
  ]);
  printTable(["ID", "USER", "ROLES", "CREATED", "ENDS"], rows);
}

async function revoke(id: string, { db }: { db: string }): Promise<void> {
  const { revokeAuthToken } = await import("../../auth/token-file.ts");
  if (!revokeAuthToken(db, id)) throw new UsageError(`Cannot revoke "${id}": "${db}" has no such token`);
}
