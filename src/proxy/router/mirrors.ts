import type { AsyncStream, AsyncStreamHandler } from "../../http/async-stream.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { FactoryContext, FilterStream, StreamInfo } from "../api.ts";
import type { ClusterHandles } from "../route/cluster-handles.ts";
import { mirrorCluster, type MirrorPolicy } from "../route/mirror-policy.ts";

const INTERNAL = knownHeaderId("x-envoy-internal");
const FORWARDED_FOR = knownHeaderId("x-forwarded-for");
const SUFFIX = "-shadow";
const NO_BYTES = Buffer.alloc(0);

type Context = Pick<FactoryContext, "calls" | "clusters" | "random" | "localIp">;

/** Copies of one request on their way to other clusters. Nobody waits for them, and what they are answered is dropped. */
export class Mirrors {
  readonly #copies: readonly Copy[];

  /**
   * Begins to send copies, as the policies want it. Undefined when they want none.
   * @param timeout milliseconds for a whole copy; 0 = no limit
   */
  static begin(
    policies: readonly MirrorPolicy[],
    { requestHeaders: headers, info }: FilterStream,
    end: boolean,
    timeout: number,
    context: Context,
  ): Mirrors | undefined {
    const copies: Copy[] = [];
    for (const policy of policies) {
      const cluster = mirrorCluster(policy, headers);
      if (cluster === "" || context.clusters.get(cluster) === undefined) continue;
      if (policy.fraction?.includes(context.random()) === false) continue;
      const copy = new Copy();
      copy.begin(context, cluster, copyOf(headers, policy, info, context.localIp), end, timeout);
      if (!end) copies.push(copy);
    }
    return copies.length === 0 ? undefined : new Mirrors(copies);
  }

  private constructor(copies: readonly Copy[]) {
    this.#copies = copies;
  }

  /** A chunk of the request's body, which is lent. A copy whose host does not keep up is given up. */
  data(chunk: Buffer, end: boolean, handles: ClusterHandles): void {
    if (chunk.length === 0 && !end) return;
    const kept = Buffer.from(chunk);
    for (const copy of this.#copies) copy.data(kept, end, handles);
  }

  /** The request's trailers came, which copies do without. */
  end(handles: ClusterHandles): void {
    this.data(NO_BYTES, true, handles);
  }

  /** The request is over. Copies of one that is not complete are cut. */
  requestGone(): void {
    for (const copy of this.#copies) copy.cut();
  }
}

/** One copy. It lives on after the request when it is complete. */
class Copy implements AsyncStreamHandler {
  #stream: AsyncStream | undefined;
  #over = false;
  #full = false;

  begin(context: Context, cluster: string, headers: HeaderMap, end: boolean, timeout: number): void {
    const stream = context.calls.open({ cluster, headers, end, timeout }, this);
    if (!this.#over && !end) this.#stream = stream;
  }

  data(chunk: Buffer, end: boolean, handles: ClusterHandles): void {
    if (this.#stream === undefined) return;
    if (this.#full) {
      handles.cluster.stats.counter("retry_or_shadow_abandoned").inc();
      this.cut();
      return;
    }
    this.#full = !this.#stream.data(chunk, end);
    if (end) this.#stream = undefined;
  }

  cut(): void {
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  onHeaders(headers: HeaderMap): void {
    headers.release();
  }

  onData(): void {}

  onTrailers(trailers: HeaderMap): void {
    trailers.release();
  }

  onDrain(): void {
    this.#full = false;
  }

  onFailure(): void {
    this.#over = true;
    this.#stream = undefined;
  }
}

function copyOf(original: HeaderMap, policy: MirrorPolicy, info: StreamInfo, localIp: string): HeaderMap {
  const headers = original.clone();
  policy.mutations?.apply(headers, info);
  if (policy.host !== "") headers.authority = policy.host;
  else if (policy.hostSuffix) headers.authority = withSuffix(headers.authority);
  headers.setId(INTERNAL, "true");
  headers.appendId(FORWARDED_FOR, localIp);
  return headers;
}

/** The suffix stands before the port. */
function withSuffix(authority: string): string {
  const port = /:\d+$/.exec(authority)?.index ?? authority.length;
  return authority.slice(0, port) + SUFFIX + authority.slice(port);
}
