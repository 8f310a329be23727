import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { bearerCredentials, hashToken, tokenMatches } from "../../base/bearer-token.ts";
import type { GrpcServer, GrpcServerTls } from "../../grpc/server.ts";
import type { GrpcCall } from "../../grpc/server-method.ts";
import { GRPC_STATUS, type GrpcStatus } from "../../grpc/status.ts";
import { directoryChanges } from "../directory-changes.ts";
import { matchesGlob } from "../policy/name-glob.ts";
import type { SourceLog } from "../catalog/source.ts";

/** Who may ask for configuration, and what the port proves itself with. */
export interface XdsCredentialFiles {
  /** PEM files. With an authority, clients must show a certificate of it. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** DNS and URI names (SPIFFE ids) of client certificates that are let in, `*` being any characters; all when empty. */
  readonly allowSans?: readonly string[];
  /** File with a token per line, one of which clients must send: `authorization: Bearer TOKEN`. */
  readonly tokens?: string;
}

/** What the files hold. */
interface Content {
  readonly tls: GrpcServerTls | undefined;
  readonly tokens: readonly Buffer[] | undefined;
}

/** TLS and admission of the xDS port; read again when a file changes. */
export class XdsCredentials {
  readonly #files: XdsCredentialFiles;
  #content: Content;

  /** Throws an Error for a file that cannot be read, and for an allow-list without an authority. */
  static async load(files: XdsCredentialFiles): Promise<XdsCredentials> {
    if (files.allowSans !== undefined && files.allowSans.length > 0 && files.tls?.ca === undefined) {
      throw new Error(
        "Cannot check the names of clients: an allowed SAN needs a CA that client certificates are of",
      );
    }
    return new XdsCredentials(files, await read(files));
  }

  private constructor(files: XdsCredentialFiles, content: Content) {
    this.#files = files;
    this.#content = content;
  }

  /** Gives the server its TLS settings. Throws an Error for certificates that make no sense. */
  apply(server: GrpcServer): void {
    const { tls } = this.#content;
    if (tls === undefined) return;
    try {
      server.setTls(tls);
    } catch (error) {
      throw new Error(`Cannot use certificate "${this.#files.tls!.cert}": ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** The status with which a call is refused; undefined when it is let in. */
  admit(call: GrpcCall): GrpcStatus | undefined {
    const { tokens } = this.#content;
    if (tokens !== undefined) {
      const token = bearerCredentials(call.metadata("authorization"));
      if (token === undefined || !tokens.some((known) => tokenMatches(token, known))) {
        return { code: GRPC_STATUS.unauthenticated, message: "no valid token in authorization" };
      }
    }
    const { allowSans = [] } = this.#files;
    if (allowSans.length === 0) return undefined;
    const names = call.peer.certificate?.names.filter(({ type }) => type === "uri" || type === "dns") ?? [];
    if (names.some(({ value }) => allowSans.some((pattern) => matchesGlob(pattern, value)))) return undefined;
    const shown = names.map(({ value }) => value).join(", ") || "none";
    return {
      code: GRPC_STATUS.permissionDenied,
      message: `no name of the client certificate is allowed: ${shown}`,
    };
  }

  /** Follows the files until the signal; what makes no sense is logged, and what was in force stays. */
  async follow(server: GrpcServer, log: SourceLog, signal: AbortSignal): Promise<void> {
    const { tls, tokens } = this.#files;
    const files = [tls?.cert, tls?.key, tls?.ca, tokens].filter((file) => file !== undefined);
    const folders = [...new Set(files.map((file) => dirname(file)))];
    await Promise.all(folders.map((folder) => this.#followFolder(folder, server, log, signal)));
  }

  async #followFolder(
    folder: string,
    server: GrpcServer,
    log: SourceLog,
    signal: AbortSignal,
  ): Promise<void> {
    let problem = "";
    for await (const _ of directoryChanges(folder, signal)) {
      const before = this.#content;
      try {
        const content = await read(this.#files);
        problem = "";
        if (sameContent(before, content)) continue;
        this.#content = content;
        this.apply(server);
        log.info("credentials of the xDS port loaded");
      } catch (error) {
        this.#content = before;
        const text = (error as Error).message;
        if (text !== problem) log.warn(`${text}; keeping the credentials in force`);
        problem = text;
      }
    }
  }
}

async function read({ tls, tokens }: XdsCredentialFiles): Promise<Content> {
  return {
    tls:
      tls === undefined
        ? undefined
        : {
            cert: await readFile(tls.cert, "utf8"),
            key: await readFile(tls.key, "utf8"),
            ...(tls.ca !== undefined && { ca: await readFile(tls.ca, "utf8") }),
          },
    tokens: tokens === undefined ? undefined : readTokens(await readFile(tokens, "utf8"), tokens),
  };
}

function readTokens(text: string, file: string): Buffer[] {
  const tokens = text.split(/\s+/).filter((token) => token !== "");
  // An empty file is more likely a mistake than meant to keep everybody out.
  if (tokens.length === 0) throw new Error(`Cannot load "${file}": it holds no token`);
  return tokens.map((token) => hashToken(token));
}

function sameContent(a: Content, b: Content): boolean {
  const text = ({ tls, tokens }: Content) =>
    JSON.stringify([tls, tokens?.map((token) => token.toString("hex"))]);
  return text(a) === text(b);
}
