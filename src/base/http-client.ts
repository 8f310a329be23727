import * as http from "node:http";
import * as https from "node:https";
import { readFile } from "node:fs/promises";
import { secretOf } from "./secret.ts";

export interface HttpClientOptions {
  /** http://, https:// or unix:///path; a path is put in front of those asked for, a user becomes basic authentication. */
  readonly url: string;
  /** PEM files, "" for none; `ca` is what to trust, Node's own when there is none. */
  readonly tls?: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    readonly insecure: boolean;
  };
  /** PEM texts in place of files. */
  readonly pem?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    /** Name to expect in the server's certificate. */
    readonly servername?: string;
    readonly insecure?: boolean;
  };
  /** Added to each request, asked for anew each time. */
  readonly headers?: () => Promise<Readonly<Record<string, string>>>;
}

export interface HttpCall {
  readonly signal: AbortSignal;
  /** Milliseconds until the whole answer must be here. */
  readonly timeoutMs: number;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Longest body, in bytes. */
  readonly maxBytes?: number;
  /** It changes something, so it is never sent twice. */
  readonly writes?: boolean;
  /** With `lines`: the answer has begun, with status 200. */
  readonly onOpen?: () => void;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

const MAX_BYTES = 64 * 1024 * 1024;

/** A header with a bearer token, or none for "". */
export async function bearer(token: string): Promise<Record<string, string>> {
  const value = await secretOf(token);
  return value === "" ? {} : { authorization: `Bearer ${value}` };
}

/** One server, over connections that are kept. Certificates are read at the first call. Close it after use. */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #url: URL;
  #agent: Promise<http.Agent> | undefined;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
  }

  /** Asks and reads the whole answer, whatever its status. Throws an Error when there is none. */
  async call(path: string, call: HttpCall): Promise<HttpReply> {
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(Math.ceil(call.timeoutMs))]);
    try {
      const response = await this.#open(path, call, signal);
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > (call.maxBytes ?? MAX_BYTES)) {
          response.destroy();
          throw new Error(`the answer to ${path} is longer than ${call.maxBytes ?? MAX_BYTES} bytes`);
        }
        chunks.push(chunk);
      }
      return {
        status: response.statusCode!,
        headers: response.headers,
        body: Buffer.concat(chunks).toString(),
      };
    } catch (error) {
      if (signal.aborted && !call.signal.aborted)
        throw new Error(`no answer to ${path} within ${call.timeoutMs} ms`, { cause: error });
      throw error;
    }
  }

  /** The JSON that a call with status 200 gives. Throws an Error for anything else. */
  async json(path: string, call: HttpCall): Promise<unknown> {
    const reply = await this.call(path, {
      ...call,
      headers: { accept: "application/json", ...call.headers },
    });
    return parseJson(path, reply);
  }

  /**
   * The lines of an answer that goes on and on. Throws an Error when the status is not 200, when nothing comes for
   * `timeoutMs`, and when a line is too long; ends when the server ends it.
   */
  async *lines(path: string, call: HttpCall): AsyncGenerator<string> {
    const quiet = new AbortController();
    const timer = setTimeout(() => quiet.abort(), call.timeoutMs);
    const signal = AbortSignal.any([call.signal, quiet.signal]);
    try {
      const response = await this.#open(path, call, signal);
      if (response.statusCode === 200) call.onOpen?.();
      const decoder = new TextDecoder();
      let rest = "";
      for await (const chunk of response as AsyncIterable<Buffer>) {
        timer.refresh();
        rest += decoder.decode(chunk, { stream: true });
        if (response.statusCode !== 200) {
          if (rest.length > 1000) break;
          continue;
        }
        const lines = rest.split("\n");
        rest = lines.pop()!;
        if (rest.length > (call.maxBytes ?? MAX_BYTES)) throw new Error(`a line of ${path} is too long`);
        yield* lines.filter((line) => line.trim() !== "");
      }
      if (response.statusCode !== 200) throw new HttpError(response.statusCode!, rest);
    } catch (error) {
      if (quiet.signal.aborted)
        throw new Error(`nothing came from ${path} for ${call.timeoutMs} ms`, { cause: error });
      throw error;
    } finally {
      clearTimeout(timer);
      quiet.abort();
    }
  }

  close(): void {
    void this.#agent?.then(
      (agent) => agent.destroy(),
      () => {},
    );
  }

  async #open(path: string, call: HttpCall, signal: AbortSignal): Promise<http.IncomingMessage> {
    this.#agent ??= this.#makeAgent();
    const agent = await this.#agent;
    const own = (await this.#options.headers?.()) ?? {};
    signal.throwIfAborted();
    const { protocol, hostname, port, pathname, username, password } = this.#url;
    const unix = protocol === "unix:";
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const basic =
      username === ""
        ? {}
        : {
            authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`,
          };
    const body = call.body === undefined ? {} : { "content-length": String(Buffer.byteLength(call.body)) };
    const request = (protocol === "https:" ? https : http).request({
      agent,
      signal,
      method: call.method ?? "GET",
      path: (unix ? "" : pathname.replace(/\/$/, "")) + path,
      headers: { "user-agent": "weft", ...basic, ...own, ...call.headers, ...body },
      ...(unix
        ? { socketPath: decodeURIComponent(pathname), host: "localhost" }
        : { host: hostname.replaceAll(/[[\]]/g, ""), port: port === "" ? undefined : port }),
    });
    request.on("response", resolve);
    request.on("error", (error: NodeJS.ErrnoException) => {
      // A kept connection that the server closed in this moment: what only reads may be asked again.
      const stale =
        request.reusedSocket &&
        call.writes !== true &&
        (error.code === "ECONNRESET" || error.code === "EPIPE");
      if (stale && !signal.aborted) resolve(this.#open(path, call, signal));
      else reject(error);
    });
    request.end(call.body);
    return promise;
  }

  async #makeAgent(): Promise<http.Agent> {
    const { tls, pem } = this.#options;
    if (this.#url.protocol !== "https:") return new http.Agent({ keepAlive: true });
    const read = async (file: string | undefined) =>
      file === undefined || file === "" ? undefined : readFile(file, "utf8");
    const [ca, cert, key] = await Promise.all([read(tls?.ca), read(tls?.cert), read(tls?.key)]);
    return new https.Agent({
      keepAlive: true,
      ca: ca ?? pem?.ca,
      cert: cert ?? pem?.cert,
      key: key ?? pem?.key,
      ...(pem?.servername !== undefined && { servername: pem.servername }),
      rejectUnauthorized: tls?.insecure !== true && pem?.insecure !== true,
    });
  }
}

/** An answer whose status says that it is none. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    const said = messageOf(body).trim().slice(0, 200);
    super(said === "" ? `HTTP ${status}` : `HTTP ${status}: ${said}`);
    this.status = status;
  }
}

/** The JSON of an answer with status 200. Throws an Error for anything else. */
export function parseJson(path: string, reply: HttpReply): unknown {
  if (reply.status !== 200) throw new HttpError(reply.status, reply.body);
  try {
    return JSON.parse(reply.body);
  } catch {
    throw new Error(`the answer to ${path} is not JSON: ${JSON.stringify(reply.body.slice(0, 80))}`);
  }
}

/** What an error body says: its `message` or `error` when it is JSON with one. */
function messageOf(body: string): string {
  if (!body.startsWith("{")) return body;
  try {
    const { message, error } = JSON.parse(body) as { message?: unknown; error?: unknown };
    return typeof message === "string" ? message : typeof error === "string" ? error : body;
  } catch {
    return body;
  }
}
