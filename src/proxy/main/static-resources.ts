import { formatProblem, problemAt } from "../../proto/problem.ts";
import type { Path } from "../../proto/path.ts";
import { pathOf, within } from "../../proto/within.ts";
import type { Bootstrap, LoadedBootstrap } from "../bootstrap.ts";

type StaticResources = NonNullable<Bootstrap["staticResources"]>;

/** What is done with a bootstrap's resources, in this order. Whatever throws is a problem, and the others go on. */
export interface StaticResourceVisitor {
  runtime?(): void;
  /** So many of a kind follow. */
  begin?(kind: "secrets" | "clusters" | "listeners", count: number): void;
  secret(secret: StaticResources["secrets"][number]): void;
  cluster(cluster: StaticResources["clusters"][number]): void;
  listener(listener: StaticResources["listeners"][number]): void;
}

/** Visits all static resources. Returns what is wrong, each problem with file, line and field path. */
export function visitStaticResources(
  { bootstrap, source }: Pick<LoadedBootstrap, "bootstrap" | "source">,
  visitor: StaticResourceVisitor,
): string[] {
  const problems: string[] = [];
  const attempt = (path: Path, what: () => void): void => {
    try {
      within(path, what);
    } catch (error) {
      problems.push(formatProblem(problemAt(source, pathOf(error as Error), (error as Error).message)));
    }
  };
  const all = <T>(
    kind: "secrets" | "clusters" | "listeners",
    list: readonly T[],
    visit: (each: T) => void,
  ) => {
    visitor.begin?.(kind, list.length);
    for (const [i, each] of list.entries()) attempt(["static_resources", kind, i], () => visit(each));
  };
  const { secrets = [], clusters = [], listeners = [] } = bootstrap.staticResources ?? {};
  attempt(["layered_runtime"], () => visitor.runtime?.());
  all("secrets", secrets, (secret) => visitor.secret(secret));
  all("clusters", clusters, (cluster) => visitor.cluster(cluster));
  attempt(["cluster_manager", "local_cluster_name"], () => checkLocalCluster(bootstrap));
  all("listeners", listeners, (listener) => visitor.listener(listener));
  return problems;
}

/** Throws, with Envoy's text, if the cluster of proxies like this one is not among the static ones. */
function checkLocalCluster({ clusterManager, staticResources }: Bootstrap): void {
  const name = clusterManager?.localClusterName ?? "";
  if (name !== "" && staticResources?.clusters.some((cluster) => cluster.name === name) !== true)
    throw new Error(`local cluster '${name}' must be defined`);
}
