import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Context, MiddlewareHandler } from "hono";
import { bearerCredentials, hashToken, tokenMatches } from "../base/bearer-token.ts";
import type { SourceLog } from "./catalog/source.ts";
import { directoryChanges } from "./directory-changes.ts";

/** Who may use the API, and what its port proves itself with. */
export interface ApiAccessFiles {
  /** File with a token per line, after the name of who has it: changes need one, and are theirs in the history. */
  readonly tokens?: string;
  /** Reads need a token as well, but for health and readiness. */
  readonly readTokens?: boolean;
  /** PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** PEM texts. */
export interface ApiTls {
  readonly cert: string;
  readonly key: string;
}

interface Holder {
  readonly name: string;
  readonly hash: Buffer;
}

interface Content {
  readonly holders: readonly Holder[] | undefined;
  readonly tls: ApiTls | undefined;
}

const OPEN_PATHS = new Set(["/healthz", "/readyz"]);
/** Asks for nothing but an answer, though its body makes it a POST. */
const READING_POST = /^\/v3\/discovery:|^\/v1\/policy\/diff$/;
const USER = "user";

/** Tokens and certificate of the API; read again when a file changes. */
export class ApiAccess {
  readonly #files: ApiAccessFiles;
  #content: Content;

  /** Throws an Error for a file that cannot be read or makes no sense. */
  static async load(files: ApiAccessFiles): Promise<ApiAccess> {
    return new ApiAccess(files, await read(files));
  }

  private constructor(files: ApiAccessFiles, content: Content) {
    this.#files = files;
    this.#content = content;
  }

  get tls(): ApiTls | undefined {
    return this.#content.tls;
  }

  /** Refuses who may not: 401, with the reason. */
  readonly check: MiddlewareHandler = async (context, next) => {
    const { holders } = this.#content;
    if (holders !== undefined && this.#needsToken(context)) {
      const token = bearerCredentials(context.req.header("authorization"));
      const holder = token && holders.find(({ hash }) => tokenMatches(token, hash));
      if (!holder) {
        const error =
          "a token is needed: authorization: Bearer TOKEN (weft control … takes WEFT_CONTROL_TOKEN)";
        return context.json({ error }, 401, { "www-authenticate": "Bearer" });
      }
      context.set(USER, holder.name);
    }
    return next();
  };

  /** Follows the files until the signal; what makes no sense is logged, and what was in force stays. */
  async follow(log: SourceLog, signal: AbortSignal, onTls: (tls: ApiTls) => void): Promise<void> {
    const { tokens, tls } = this.#files;
    const files = [tokens, tls?.cert, tls?.key].filter((file) => file !== undefined);
    const folders = [...new Set(files.map((file) => dirname(file)))];
    await Promise.all(folders.map((folder) => this.#followFolder(folder, log, signal, onTls)));
  }

  async #followFolder(
    folder: string,
    log: SourceLog,
    signal: AbortSignal,
    onTls: (tls: ApiTls) => void,
  ): Promise<void> {
    let problem = "";
    for await (const _ of directoryChanges(folder, signal)) {
      const before = this.#content;
      try {
        const content = await read(this.#files);
        problem = "";
        if (shown(content) === shown(before)) continue;
        if (content.tls !== undefined) onTls(content.tls);
        this.#content = content;
        log.info("credentials of the API port loaded");
      } catch (error) {
        const text = (error as Error).message;
        if (text !== problem) log.warn(`${text}; keeping the credentials of the API port in force`);
        problem = text;
      }
    }
  }

  #needsToken({ req }: Context): boolean {
    const { method, path } = req;
    if (method !== "GET" && method !== "HEAD" && !READING_POST.test(path)) return true;
    return this.#files.readTokens === true && !OPEN_PATHS.has(path);
  }
}

/** Who asks: whose token it is, or else who they say they are. */
export function userOf(context: Context): string {
  const proven = context.get(USER) as string | undefined;
  return proven ?? context.req.header("x-weft-user") ?? "unknown";
}

async function read({ tokens, tls }: ApiAccessFiles): Promise<Content> {
  return {
    holders: tokens === undefined ? undefined : readHolders(await readFile(tokens, "utf8"), tokens),
    tls: tls && { cert: await readFile(tls.cert, "utf8"), key: await readFile(tls.key, "utf8") },
  };
}

function readHolders(text: string, file: string): Holder[] {
  const holders = text.split("\n").flatMap((line, i) => {
    const words = line.split("#")[0]!.trim().split(/\s+/);
    if (words[0] === "") return [];
    if (words.length !== 2)
      throw new Error(
        `Cannot load "${file}": line ${i + 1}: a line is NAME TOKEN, the name of who has the token first`,
      );
    return [{ name: words[0]!, hash: hashToken(words[1]!) }];
  });
  // An empty file is more likely a mistake than meant to keep everybody out.
  if (holders.length === 0) throw new Error(`Cannot load "${file}": it holds no token`);
  return holders;
}

function shown({ holders, tls }: Content): string {
  return JSON.stringify([holders?.map(({ name, hash }) => [name, hash.toString("hex")]), tls]);
}
