// etcd's v3 API by its JSON gateway: the same calls as over gRPC, with bytes in base64 and 64-bit numbers as strings.
import { z } from "zod";
import { HttpClient, type HttpClientOptions } from "../base/http-client.ts";
import { secretOf } from "../base/secret.ts";

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
  /** Revision of its last change. */
  readonly revision: number;
}

/** All keys at a revision. */
export interface EtcdRange {
  readonly revision: number;
  readonly keys: readonly EtcdKey[];
}

/** What a transaction asks for and does, in order. */
export interface EtcdTransaction {
  /** Revisions that keys must have; 0 = there must be no such key. */
  readonly expect: readonly { readonly key: string; readonly revision: number }[];
  readonly put: readonly { readonly key: string; readonly value: string; readonly lease?: string }[];
  readonly remove: readonly string[];
}

/** Whether a transaction was carried out, and the keys that it names as they were when it was not. */
export interface EtcdOutcome {
  readonly done: boolean;
  readonly revision: number;
  readonly found: readonly EtcdKey[];
}

/** One key was put, or deleted: then `put` is undefined. */
export interface EtcdEvent {
  readonly key: string;
  readonly revision: number;
  readonly put: EtcdKey | undefined;
}

/** What a watch says. */
export interface EtcdChange {
  readonly revision: number;
  /** In their order; undefined stands for a key that was deleted. */
  readonly events: readonly EtcdEvent[];
  /** The revision to begin with is gone, or never was (another data directory): everything must be read anew. */
  readonly lost: boolean;
}

const base64 = (bytes: string | undefined) => Buffer.from(bytes ?? "", "base64").toString();
const count = z.coerce.number();
const keyValue = z.object({
  key: z.string().transform(base64),
  value: z.string().optional().transform(base64),
  lease: z.string().default("0"),
  mod_revision: count.default(0),
});
// Zero is left out, as on a watch that is refused.
const header = z.object({ revision: count.default(0) });
const rangeSchema = z.object({ header, kvs: z.array(keyValue).default([]) });
const outcomeSchema = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z
    .array(z.object({ response_range: z.object({ kvs: z.array(keyValue).default([]) }).optional() }))
    .default([]),
});
const leaseSchema = z.object({ ID: z.string() });
const keepAliveSchema = z.object({ result: z.object({ TTL: count.default(0) }) });
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
        // A member that has lost the others must end its watches rather than fall silent.
        ({ "grpc-metadata-hasleader": "true", ...(this.#token !== "" && { authorization: this.#token }) }),
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

  /** These keys, those that there are, at one revision. */
  async read(keys: readonly string[], signal: AbortSignal): Promise<EtcdRange> {
    const body = { success: keys.map((key) => ({ request_range: { key: encode(key) } })) };
    const { header: head, responses } = outcomeSchema.parse(await this.#post("/v3/kv/txn", body, signal));
    const found = responses.flatMap(({ response_range: range }) => range?.kvs ?? []);
    return { revision: head.revision, keys: found.map(keyOf) };
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

  /** Carries all of it out in one step if every expectation holds, else nothing. When it throws, nobody knows. */
  async commit({ expect, put, remove }: EtcdTransaction, signal: AbortSignal): Promise<EtcdOutcome> {
    const body = {
      compare: expect.map(({ key, revision }) => ({
        key: encode(key),
        target: "MOD",
        result: "EQUAL",
        mod_revision: String(revision),
      })),
      success: [
        ...put.map(({ key, value, lease = "0" }) => ({
          request_put: { key: encode(key), value: encode(value), lease },
        })),
        ...remove.map((key) => ({ request_delete_range: { key: encode(key) } })),
      ],
      failure: expect.map(({ key }) => ({ request_range: { key: encode(key) } })),
    };
    const answer = outcomeSchema.parse(await this.#post("/v3/kv/txn", body, signal, true));
    const found = answer.responses.flatMap(({ response_range: range }) => range?.kvs ?? []);
    return { done: answer.succeeded, revision: answer.header.revision, found: found.map(keyOf) };
  }

  /** Makes a lease and gives its id. */
  async grant(seconds: number, signal: AbortSignal): Promise<string> {
    return leaseSchema.parse(await this.#post("/v3/lease/grant", { TTL: String(seconds) }, signal, true)).ID;
  }

  /** Lets a lease run anew. Gives false when it is over. */
  async keepAlive(lease: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#post("/v3/lease/keepalive", { ID: lease }, signal, false);
    return keepAliveSchema.parse(answer).result.TTL > 0;
  }

  /** Ends a lease, and the keys that go with it. */
  async revoke(lease: string, signal: AbortSignal): Promise<void> {
    await this.#post("/v3/lease/revoke", { ID: lease }, signal, true);
  }

  close(): void {
    this.#http.close();
  }

  async #post(path: string, body: object, signal: AbortSignal, writes = false): Promise<unknown> {
    const { timeout: timeoutMs } = this.#options;
    return this.#http.json(path, { signal, timeoutMs, method: "POST", body: JSON.stringify(body), writes });
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
    events: events.map(({ type, kv }) => ({
      key: kv.key,
      revision: kv.mod_revision,
      put: type === "DELETE" ? undefined : keyOf(kv),
    })),
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

function keyOf({ key, value, lease, mod_revision: revision }: z.infer<typeof keyValue>): EtcdKey {
  return { key, value, leased: lease !== "0", revision };
}

/** All keys that begin with the prefix: up to the first that does not. */
function bounds(prefix: string): { key: string; range_end: string } {
  const end = Buffer.from(prefix);
  if (end.length > 0) end[end.length - 1]!++;
  return {
    key: prefix === "" ? encode("\0") : encode(prefix),
    range_end: prefix === "" ? encode("\0") : end.toString("base64"),
  };
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}
