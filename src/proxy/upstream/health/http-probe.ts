import { HeaderMap } from "../../../http/header-map.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { AsyncClient, OperatorDef } from "../../api.ts";
import type { HostSpec } from "../../link.ts";
import { compileHeaderMutations, type HeaderMutations } from "../../route/header-mutations.ts";
import { StreamInfo } from "../../stream-info.ts";
import { NETWORK, UNHEALTHY, type Probe, type ProbeOutcome } from "./probe.ts";

type Config = Messages["envoy.config.core.v3.HealthCheck.HttpHealthCheck"];
type Range = Messages["envoy.type.v3.Int64Range"];

/** envoy.config.core.v3.RequestMethod; unspecified = GET. */
const METHODS = ["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/** What a health check may not use, as Envoy has it: it would need a body. */
const NOT_ALLOWED = "CONNECT";
const OK = 200;

/** Asks by an HTTP request: fit is who answers 200, or another status that is expected. */
export class HttpProbe implements Probe {
  readonly #config: Config;
  readonly #calls: AsyncClient;
  readonly #cluster: string;
  readonly #method: string;
  readonly #mutations: HeaderMutations | undefined;

  /**
   * @param cluster name of the cluster, which is the host that is asked for unless there is another
   * Throws an Error for headers or methods that cannot be.
   */
  constructor(config: Config, cluster: string, calls: AsyncClient, operators: readonly OperatorDef[]) {
    this.#config = config;
    this.#calls = calls;
    this.#cluster = cluster;
    this.#method = METHODS[config.method] ?? "GET";
    if (this.#method === NOT_ALLOWED) throw new Error("CONNECT is not allowed as a method of health checks");
    this.#mutations = compileHeaderMutations(
      config.requestHeadersToAdd,
      config.requestHeadersToRemove,
      operators,
    );
  }

  ask(host: HostSpec, cluster: string, done: (outcome: ProbeOutcome) => void): () => void {
    const headers = HeaderMap.acquire();
    headers.method = this.#method;
    headers.scheme = "http";
    headers.authority = this.#config.host || host.healthCheck?.hostname || this.#cluster;
    headers.path = this.#config.path;
    headers.add("user-agent", "Envoy/HC");
    this.#mutations?.apply(headers, new StreamInfo());
    const exchange = this.#calls.send(
      { cluster, headers, body: undefined, timeout: 0 },
      {
        onResponse: (answer) => done(this.#judge(answer)),
        onFailure: () => done(NETWORK),
      },
    );
    return () => exchange.cancel();
  }

  #judge(answer: HeaderMap): ProbeOutcome {
    const { expectedStatuses, retriableStatuses } = this.#config;
    const { status } = answer;
    const degraded = answer.has("x-envoy-degraded");
    if (expectedStatuses.length === 0 ? status === OK : contains(expectedStatuses, status))
      return { kind: "healthy", degraded };
    return contains(retriableStatuses, status) ? { kind: "unhealthy", retriable: true } : UNHEALTHY;
  }
}

/** Ranges are half-open. */
function contains(ranges: readonly Range[], status: number): boolean {
  return ranges.some(({ start, end }) => status >= Number(start) && status < Number(end));
}
