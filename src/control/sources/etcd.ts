import type { Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { EtcdMirror } from "./shared/etcd-mirror.ts";
import { EtcdClient } from "../../etcd/etcd-client.ts";
import { follow } from "./shared/follow.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { warnOnce } from "./shared/warn-once.ts";

/** A watch in which nothing happens is begun anew this often, where it was: a dead connection would say nothing. */
const QUIET_MS = 30_000;

/**
 * Keys of etcd under a prefix, by watch: `PREFIX/SERVICE/ANYTHING` holds one instance as JSON, `PREFIX/SERVICE` all
 * instances of a service. The watch resumes at its revision after a disconnection; if that was compacted, everything is
 * read anew. A key that was deleted without having a lease is a stated loss; whether a lease ran out or was revoked
 * cannot be told apart, so that is not.
 */
export const etcdSource = defineSource({
  name: "etcd",
  description: "keys of etcd (3.4 or newer) under a prefix, by watch",
  options: {
    urls: { kind: "list", default: "http://127.0.0.1:2379", description: "addresses of the members" },
    prefix: { default: "/services/", description: "what the keys begin with" },
    user: { description: "user, if etcd asks for one" },
    password: { secret: true, description: "the user's password" },
    timeout: { kind: "duration", default: "5s", min: 10, description: "longest wait for an answer" },
    ...tlsOptions,
  },
  check({ urls }) {
    for (const url of urls)
      if (!/^https?:\/\/./.test(url)) throw new Error(`"${url}" in "urls" is not a URL`);
    if (urls.length === 0) throw new Error('"urls" is empty');
  },
  watch(options, context) {
    const mirror = new EtcdMirror(options.prefix, warnOnce(context.log));
    let turn = 0;
    return follow(
      `etcd ${options.urls.join(" ")}`,
      context,
      async function* (signal): AsyncGenerator<Reading> {
        // After a failure another member gets its turn.
        const client = new EtcdClient(options.urls[turn++ % options.urls.length]!, options);
        signal.addEventListener("abort", () => client.close());
        await client.login(signal);
        if (mirror.revision === 0) {
          mirror.replace(await client.range(options.prefix, signal));
          yield mirror.reading();
        }
        while (!signal.aborted) {
          for await (const change of client.watch(options.prefix, mirror.revision + 1, QUIET_MS, signal)) {
            if (change.lost) mirror.replace(await client.range(options.prefix, signal));
            else mirror.apply(change);
            yield mirror.reading();
            if (change.lost) break;
          }
          // The member answers on: this was the longest silence, or the revision is lost.
        }
      },
    );
  },
});
