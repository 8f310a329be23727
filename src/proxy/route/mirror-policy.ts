import type { HeaderMap } from "../../http/header-map.ts";
import type { Ledger } from "../../proto/ledger.ts";
import { ignored } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { RuntimeFraction } from "../matcher/runtime-fraction.ts";
import { compileHeaderMutations, type HeaderMutations } from "./header-mutations.ts";
import type { RouteCompileContext } from "./route-compile-context.ts";

type Config = Messages["envoy.config.route.v3.RouteAction.RequestMirrorPolicy"];

/** What mirror policies read. */
export const mirrorPolicyLedger: Ledger = {
  "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": [
    "cluster",
    "cluster_header",
    "runtime_fraction",
    "disable_shadow_host_suffix_append",
    "request_headers_mutations",
    "host_rewrite_literal",
    ignored("trace_sampled", "there is no tracing"),
  ],
  "envoy.config.common.mutation_rules.v3.HeaderMutation": ["remove", "append"],
};

/** Where copies of requests go, and how they differ from the requests. */
export interface MirrorPolicy {
  readonly cluster: string;
  /** Request header that names the cluster; "" = it is fixed. */
  readonly clusterHeader: string;
  /** Undefined = all requests. */
  readonly fraction: RuntimeFraction | undefined;
  /** "-shadow" after the host, as Envoy marks copies. */
  readonly hostSuffix: boolean;
  /** "" = the request's own. */
  readonly host: string;
  readonly mutations: HeaderMutations | undefined;
}

/** Compiles request_mirror_policies. Throws an Error with Envoy's text for one without a clear cluster. */
export function compileMirrorPolicies(
  configs: readonly Config[],
  { extensions, factory }: RouteCompileContext,
): readonly MirrorPolicy[] {
  return configs.map((config) => {
    const { cluster, clusterHeader } = config;
    if (cluster !== "" && clusterHeader !== "")
      throw new Error(
        `Only one of cluster '${cluster}' or cluster_header '${clusterHeader}' in request mirror policy can be specified`,
      );
    if (cluster === "" && clusterHeader === "")
      throw new Error(
        "Exactly one of cluster or cluster_header in request mirror policy need to be specified",
      );
    const actions = config.requestHeadersMutations.map(({ action }) => action);
    return {
      cluster,
      clusterHeader: clusterHeader.toLowerCase(),
      fraction:
        config.runtimeFraction === undefined
          ? undefined
          : new RuntimeFraction(config.runtimeFraction, factory.runtime),
      hostSuffix: !config.disableShadowHostSuffixAppend && config.hostRewriteLiteral === "",
      host: config.hostRewriteLiteral,
      mutations: compileHeaderMutations(
        actions.flatMap((action) => (action.case === "append" ? [action.value] : [])),
        actions.flatMap((action) => (action.case === "remove" ? [action.value] : [])),
        extensions.operators,
      ),
    };
  });
}

/** The cluster that the copy of a request goes to; "" = none. */
export function mirrorCluster(policy: MirrorPolicy, headers: HeaderMap): string {
  return policy.clusterHeader === "" ? policy.cluster : (headers.get(policy.clusterHeader) ?? "");
}
