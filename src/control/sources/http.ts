import { defineSource } from "../catalog/source.ts";
import { parseDocument } from "./shared/document.ts";
import { follow, poll } from "./shared/follow.ts";
import { bearer, HttpClient, HttpError } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import type { Reading } from "../model.ts";

/**
 * A document behind a URL, in the form of the file source. It is asked for with the ETag and the date of the last
 * answer, so an unchanged one costs a 304. What the document says is meant: a service that has fewer instances has them
 * deregistered.
 */
export const httpSource = defineSource({
  name: "http",
  description: "a URL that answers with services in the form of the file source, JSON or YAML",
  options: {
    url: { kind: "url", required: true, description: "where the document is" },
    interval: { kind: "duration", default: "10s", min: 10, description: "time between questions" },
    timeout: { kind: "duration", default: "10s", min: 1, description: "longest wait for an answer" },
    token: { secret: true, description: "bearer token" },
    ...tlsOptions,
  },
  watch(options, context) {
    const { pathname, search } = new URL(options.url);
    const base = new URL(options.url);
    if (base.protocol !== "unix:") [base.pathname, base.search] = ["/", ""];
    const path = base.protocol === "unix:" ? "/" : pathname + search;
    return follow(new URL(path, plain(options.url)).href, context, async function* (signal) {
      const client = new HttpClient({ url: base.href, tls: options, headers: () => bearer(options.token) });
      signal.addEventListener("abort", () => client.close());
      let last: { reading: Reading; headers: Record<string, string> } | undefined;
      yield* poll(options.interval, async () => {
        const headers = { accept: "application/json, application/yaml", ...last?.headers };
        const reply = await client.call(path, { signal, timeoutMs: options.timeout, headers });
        if (reply.status === 304 && last !== undefined) return last.reading;
        if (reply.status !== 200) throw new HttpError(reply.status, reply.body);
        const reading: Reading = { kind: "ok", services: parseDocument(reply.body, plain(options.url)) };
        const { etag, "last-modified": modified } = reply.headers;
        last = {
          reading,
          headers: {
            ...(etag !== undefined && { "if-none-match": etag }),
            ...(modified !== undefined && { "if-modified-since": modified }),
          },
        };
        return reading;
      })(signal);
    });
  },
});

/** A URL without the password that it may hold. */
function plain(url: string): string {
  const shown = new URL(url);
  [shown.username, shown.password] = ["", ""];
  return shown.href;
}
