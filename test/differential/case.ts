import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { grpcUpstream } from "./grpc-upstream.ts";
import { h2Action, h2Upstream } from "./h2/schema.ts";
import { longText } from "./long-text.ts";

const anyObject = z.record(z.string(), z.unknown());

/** Bytes are latin1; `lines` are joined with CRLF and closed by an empty line. */
const step = z.strictObject({
  /** Connection that the step uses; opened when first named. */
  conn: z.string().default("c"),
  /** How the connection is secured when the step opens it, in cases with `tls`; `plaintext: true`: not at all. */
  tls: z
    .strictObject({
      server_name: z.string().optional(),
      alpn: z.array(z.string()).default([]),
      version: z.enum(["TLSv1.2", "TLSv1.3"]).optional(),
      /** Cipher suites and groups that the client offers, in its order, joined by ":". */
      ciphers: z.string().optional(),
      groups: z.string().optional(),
      /** Name of a certificate of certificates.ts to show. */
      certificate: z.string().optional(),
      plaintext: z.boolean().default(false),
    })
    .prefault({}),
  get: z.string().optional(),
  /** Where the step's connection goes when it is not 127.0.0.1: an address of the listener, or `<file:…>` of its pipe. */
  to: z.string().optional(),
  /** Waits after sending until this text came, in all that the connection received. */
  until: z.string().optional(),
  request: z.strictObject({ method: z.string(), path: z.string(), body: longText.optional() }).optional(),
  /** Header lines of `get` and `request`; `host: test` is put first unless one is given. */
  headers: z.array(longText).default([]),
  lines: z.array(longText).optional(),
  bytes: longText.optional(),
  /** The connection speaks HTTP/2 and does this; `read` counts streams then. */
  h2: z.array(h2Action).optional(),
  /** HTTP/2: whether the connection that the step opens answers PINGs. */
  pong: z.boolean().default(true),
  /** How often the step is done. */
  times: z.number().default(1),
  /** Milliseconds to wait after sending. */
  pause: z.number().optional(),
  /** Replaces one of the case's files by an atomic move. */
  write: z.strictObject({ file: z.string(), content: z.union([anyObject, z.string()]) }).optional(),
  half_close: z.boolean().optional(),
  close: z.boolean().optional(),
  reset: z.boolean().optional(),
  /** How many more final responses to wait for (1 after sending), or until the peer ends, or until it is quiet. */
  read: z.union([z.number(), z.enum(["eof", "quiet"])]).optional(),
  admin: z
    .strictObject({
      method: z.string().default("GET"),
      path: z.string(),
      /** Keep only lines that contain this, or show only the key paths of a JSON answer. */
      lines: z.string().optional(),
      show: z.enum(["body", "keys", "head"]).default("body"),
    })
    .optional(),
});

const reply = z.strictObject({
  status: z.string().default("200 OK"),
  headers: z.array(longText).default([]),
  body: longText.default(""),
});
const replyOrBytes = z.union([reply, z.strictObject({ bytes: longText })]);

const action = z.union([
  z.strictObject({ expect: z.enum(["request", "head", "end"]) }),
  z.strictObject({ match: z.string() }),
  z.strictObject({ send: longText }),
  z.strictObject({ sendNext: z.array(longText) }),
  z.strictObject({ delay: z.number() }),
  z.strictObject({ end: z.enum(["close", "reset", "half"]) }),
  z.strictObject({ repeat: z.literal(true) }),
]);

const upstream = z.union([
  /** Answer all requests with 200 `ok`, refuse connections, or accept and never answer. */
  z.enum(["ok", "refuse", "silent"]),
  h2Upstream,
  grpcUpstream,
  replyOrBytes,
  z.strictObject({ replies: z.array(replyOrBytes) }),
  z.strictObject({ connections: z.array(z.array(action)) }),
]);

const cluster = z.looseObject({
  /** Names of the upstreams that are its endpoints; by default the upstream of the same name. */
  endpoints: z.array(z.string()).optional(),
});

const schema = z.strictObject({
  title: z.string(),
  /** `play` sends traffic; `validate` runs the configuration through `--mode validate`. */
  kind: z.enum(["play", "validate"]).default("play"),
  /** A process of its own, for cases that change the whole proxy. */
  dedicated: z.boolean().default(false),
  hcm: anyObject.default({}),
  routes: z.array(anyObject).optional(),
  vhosts: z.array(anyObject).optional(),
  route_config: anyObject.default({}),
  filters: z.array(anyObject).default([]),
  /** Network filters in place of the connection manager, and listener filters: `{ tcp_proxy: {…} }` as in `filters`. */
  network: z.array(anyObject).optional(),
  listener_filters: z.array(anyObject).default([]),
  /** Puts TLS on the listener. Texts may hold `<pem:server>`, `<pem:server-key>`, …, see certificates.ts. */
  tls: z
    .strictObject({
      /** Of the DownstreamTlsContext, and of its common_tls_context. */
      context: anyObject.default({}),
      common: anyObject.default({}),
      /** filter_chain_match; a tls_inspector comes with it. */
      match: anyObject.optional(),
    })
    .optional(),
  /** null: no static listener; the case brings its own, of the name `<case>`, through its files. */
  listener: anyObject.nullable().default({}),
  /** Files by name, written before the start as JSON (or as they are, when text); `<file:name>` is a file's path. */
  files: z.record(z.string(), z.union([anyObject, z.string()])).default({}),
  clusters: z.record(z.string(), cluster).default({}),
  upstreams: z.record(z.string(), upstream).default({ up: "ok" }),
  /** Upstreams that speak TLS, with a certificate of certificates.ts; those with HTTP/2 take the protocol h2, others these. */
  upstream_tls: z
    .record(z.string(), z.strictObject({ certificate: z.string(), alpn: z.array(z.string()).default([]) }))
    .default({}),
  /** Upstreams that listen on a pipe or on ::1. */
  addresses: z.record(z.string(), z.enum(["pipe", "ipv6"])).default({}),
  /** true: Envoy's default format; text: a format line; an object: a JSON format. */
  access_log: z.union([z.literal(true), z.string(), anyObject]).optional(),
  bootstrap: anyObject.default({}),
  steps: z.array(step).default([]),
  stats: z.array(z.string()).default([]),
  expect: z.strictObject({
    /** Statuses of all final responses, connection by connection. */
    status: z.union([z.number(), z.array(z.number())]).optional(),
    /** Fate of every connection; one with HTTP/2 is open or ended. */
    fate: z.enum(["open", "eof", "reset", "ended"]).optional(),
    /** Texts that must be somewhere in the record. */
    contains: z.array(z.string()).default([]),
    /** Takes the place of `contains` for our own words, where they are meant to be clearer than Envoy's. */
    weft_contains: z.array(z.string()).optional(),
    absent: z.array(z.string()).default([]),
    /** Exit code of `validate`. */
    code: z.number().optional(),
    upstream_requests: z.number().optional(),
    /** Requests that each upstream gets at least and at most, where chance decides. */
    spread: z.record(z.string(), z.tuple([z.number(), z.number()])).optional(),
  }),
  /** A field or operator that ours does not support yet: ours must refuse the configuration by this name. */
  unsupported: z.string().optional(),
  /** A wanted difference: ours must meet this instead of being equal to real Envoy. */
  deviates: z
    .strictObject({
      /** Why ours is different. */
      reason: z.string(),
      status: z.array(z.number()),
      contains: z.array(z.string()).default([]),
    })
    .optional(),
  compare: z
    .strictObject({
      client: z.boolean().default(true),
      upstream: z.boolean().default(true),
      /** Whether all connections to upstreams must be the same, those without bytes too, and end in the same way. */
      upstream_fate: z.boolean().default(false),
      /** Whether the client's connections must have the same fate. */
      fate: z.boolean().default(true),
      /** HTTP/2: every frame in its order, in place of what came on each stream. */
      frames: z.boolean().default(false),
      /** HTTP/2: GOAWAYs with an error, too. Ours come always, Envoy's at times (docs/parity.md). */
      goaway: z.boolean().default(false),
      /** Sort header lines before comparing. */
      unordered: z.boolean().default(false),
      /** Sort all lines: for what may come in any order, as answers of hosts picked from a random start. */
      sorted: z.boolean().default(false),
      /** Header names (lower case) left out. */
      ignore: z.array(z.string()).default([]),
    })
    .prefault({}),
  normalise: z.array(z.strictObject({ match: z.string(), replace: z.string() })).default([]),
});

/** A case as written in its file, with defaults filled in. */
export type Case = z.infer<typeof schema> & {
  /** `group/name`, from the path of the file. */
  name: string;
  group: string;
  /** Unique word that prefixes the case's resources inside a shared bootstrap. */
  id: string;
};
export type Step = z.infer<typeof step>;
export type UpstreamSpec = z.infer<typeof upstream>;
export type Reply = z.infer<typeof replyOrBytes>;

const folder = join(import.meta.dirname, "cases");

/** Loads all cases, sorted by name; a mistake in a file throws with the file's name. */
export function loadCases(): Case[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".yaml"),
  );
  return files.sort().map((file) => loadCase(join(folder, file)));
}

function loadCase(path: string): Case {
  const name = relative(folder, path).replace(/\.yaml$/, "");
  const parsed = schema.safeParse(parse(readFileSync(path, "utf8")));
  if (!parsed.success) throw new Error(`Cannot load case ${name}: ${z.prettifyError(parsed.error)}`);
  const { expect } = parsed.data;
  if (
    expect.code === undefined &&
    expect.spread === undefined &&
    expect.status === undefined &&
    expect.contains.length === 0 &&
    expect.fate === undefined
  ) {
    throw new Error(`Cannot load case ${name}: expect needs status, fate, code, spread or contains`);
  }
  return {
    ...parsed.data,
    name,
    group: name.split("/")[0]!,
    id: `case_${name.replaceAll(/[^a-z0-9]+/gi, "_")}`,
  };
}
