// etcd's v3 API by its JSON gateway: the same calls as over gRPC, with bytes in base64 and 64-bit numbers as strings.
import { z } from "zod";
import { HttpClient, type HttpClientOptions } from "./http-client.ts";
import { secretOf } from "./secret.ts";

export interface EtcdOptions {
  readonly user: string;
  readonly password: string;
  readonly timeout: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly insecure: boolean;
}

export interface EtcdKey {
  readonly key: string;
  readonly value: string;
  /** Whether it goes with a lease. */
  readonly leased: boolean;
}

/** All keys at a revision. */
export interface EtcdRange {
  readonly revision: number;
  readonly keys: readonly EtcdKey[];
}

/** What a watch says. */
export interface EtcdChange {
  readonly revision: number;
  /** In their order; undefined stands for a key that was deleted. */
  readonly events: readonly { readonly key: string; readonly put: EtcdKey | undefined }[];
  /** The revision to begin with is gone, or never was (another data directory): everything must be read anew. */
  readonly lost: boolean;
}

const base64 = (bytes: string | undefined) => Buffer.from(bytes ?? "", "base64").toString();
const count = z.coerce.number();
const keyValue = z.object({
  key: z.string().transform(base64),
  value: z.string().optional().transform(base64),
  lease: z.string().default("0"),
});
// Zero is left out, as on a watch that is refused.
const header = z.object({ revision: count.default(0) });
const rangeSchema = z.object({ header, kvs: z.array(keyValue).default([]) });
const watchSchema = z.object({
  result: z.object({
    header,
    canceled: z.boolean().default(false),
    compact_revision: count.default(0),
    cancel_reason: z.string().default(""),
    events: z.array(z.object({ type: z.string().default("PUT"), kv: keyValue })).default([]),
  }),
});

/** One member of an etcd cluster. */
export class EtcdClient {
  readonly #http: HttpClient;
  readonly #options: EtcdOptions;
  #token = "";

  constructor(url: string, options: EtcdOptions) {
    this.#options = options;
    const http: HttpClientOptions = {
      url,
      tls: options,
      headers: async (): Promise<Record<string, string>> =>
        this.#token === "" ? {} : { authorization: this.#token },
    };
    this.#http = new HttpClient(http);
  }

  /** Gets a token, if a user is given. */
  async login(signal: AbortSignal): Promise<void> {
    const { user, password } = this.#options;
    if (user === "") return;
    const answer = await this.#post(
      "/v3/auth/authenticate",
      { name: user, password: await secretOf(password) },
      signal,
    );
    this.#token = z.object({ token: z.string() }).parse(answer).token;
  }

  async range(prefix: string, signal: AbortSignal): Promise<EtcdRange> {
    const parsed = rangeSchema.safeParse(await this.#post("/v3/kv/range", bounds(prefix), signal));
    if (!parsed.success) throw new Error("the answer to /v3/kv/range is not one of etcd");
    return { revision: parsed.data.header.revision, keys: parsed.data.kvs.map(keyOf) };
  }

  /**
   * What changes from a revision on; first an empty change, when the watch stands. Ends when nothing happened for
   * `quietMs`. Throws an Error when the watch breaks.
   */
  async *watch(
    prefix: string,
    revision: number,
    quietMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<EtcdChange> {
    const body = { create_request: { ...bounds(prefix), start_revision: String(revision) } };
    let last = performance.now();
    let stands = false;
    try {
      for await (const line of this.#http.lines("/v3/watch", {
        signal,
        timeoutMs: quietMs,
        method: "POST",
        body: JSON.stringify(body),
      })) {
        last = performance.now();
        const change = changeOf(line, revision);
        stands = true;
        yield change;
      }
    } catch (error) {
      if (stands && performance.now() - last >= quietMs * 0.9 && !signal.aborted) return;
      throw error;
    }
    throw new Error("the watch ended");
  }

  close(): void {
    this.#http.close();
  }

  async #post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    const { timeout: timeoutMs } = this.#options;
    return this.#http.json(path, { signal, timeoutMs, method: "POST", body: JSON.stringify(body) });
  }
}

function changeOf(line: string, begun: number): EtcdChange {
  const parsed = watchSchema.safeParse(jsonOf(line));
  if (!parsed.success) throw new Error(`the watch says ${JSON.stringify(line.slice(0, 200))}`);
  const {
    header: head,
    canceled,
    compact_revision: compacted,
    cancel_reason: reason,
    events,
  } = parsed.data.result;
  if (canceled && compacted === 0) throw new Error(`the watch was refused: ${reason}`);
  return {
    // The revision of an answer without events may be one whose events are still to come.
    revision: events.length > 0 ? head.revision : begun - 1,
    events: events.map(({ type, kv }) => ({ key: kv.key, put: type === "DELETE" ? undefined : keyOf(kv) })),
    lost: compacted > 0 || (head.revision > 0 && head.revision < begun - 1),
  };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function keyOf({ key, value, lease }: z.infer<typeof keyValue>): EtcdKey {
  return { key, value, leased: lease !== "0" };
}

/** All keys that begin with the prefix: up to the first that does not. */
function bounds(prefix: string): { key: string; range_end: string } {
  const end = Buffer.from(prefix);
  if (end.length > 0) end[end.length - 1]!++;
  return {
    key: (prefix === "" ? Buffer.from([0]) : Buffer.from(prefix)).toString("base64"),
    range_end: (prefix === "" ? Buffer.from([0]) : end).toString("base64"),
  };
}
