// What a schema cannot see: parts of a policy that do not go together.
import { isIP } from "node:net";
import type { MeshPolicy } from "./mesh-policy.ts";
import { matchesGlob } from "./name-glob.ts";
import type { ServiceRoute } from "./route-settings.ts";
import type { ServiceSettings } from "./service-settings.ts";
import { refine, settingsFor } from "./settings-for.ts";

export interface ReferenceProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Path = readonly (string | number)[];
/** What is in force in the end, as far as it can be told without instances. */
type Whole = Omit<ServiceSettings, "envoy">;

/** Everything that contradicts something else in the policy. */
export function referenceProblems(policy: MeshPolicy): ReferenceProblem[] {
  const problems: ReferenceProblem[] = [];
  const add = (path: Path, message: string) => void problems.push({ path, message });
  settings(policy.defaults, policy.defaults, ["defaults"], add);
  policy.templates.forEach((each, i) => {
    const whole: Whole = refine<Whole>(policy.defaults, each.settings);
    settings(each.settings, whole, ["templates", i, "settings"], add);
  });
  for (const [name, own] of Object.entries(policy.services)) {
    const whole = settingsFor(policy, name, []);
    settings(own, whole, ["services", name], add);
    if (own.port !== undefined && whole.protocol !== "tcp")
      add(
        ["services", name, "port"],
        "only services that speak tcp have a port of their own; others share one",
      );
  }
  edge(policy, policy.edge, ["edge"], "edge", add);
  policy.views.forEach((view, i) => {
    if (view.edge !== undefined) edge(policy, view.edge, ["views", i, "edge"], view.name, add);
  });
  return problems;
}

type Action = Pick<ServiceRoute, "fault" | "rate_limit" | "mirror" | "retries">;
type Add = (path: Path, message: string) => void;

function settings(own: ServiceSettings, whole: Whole, path: Path, add: Add): void {
  const { balance, tls, health_check: check } = own;
  const hashes = whole.balance?.policy === "ring_hash" || whole.balance?.policy === "maglev";
  if (hashes && whole.balance?.hash === undefined && balance !== undefined)
    add(
      [...path, "balance", "policy"],
      `${whole.balance?.policy} needs balance.hash: what requests of one instance have in common`,
    );
  if (balance?.hash !== undefined && !hashes)
    add([...path, "balance", "hash"], "has no effect: balance.policy must be ring_hash or maglev");
  if (balance?.choices !== undefined && whole.balance?.policy !== "least_request")
    add([...path, "balance", "choices"], "has no effect: balance.policy must be least_request");
  if (tls) {
    if (whole.tls?.ca === undefined && whole.tls?.insecure !== true)
      add(
        [...path, "tls"],
        "needs ca, a file of certificates to trust; insecure: true trusts any certificate",
      );
    if (whole.tls?.ca !== undefined && whole.tls.insecure === true)
      add([...path, "tls", "insecure"], "contradicts ca");
    if ((whole.tls?.cert === undefined) !== (whole.tls?.key === undefined))
      add([...path, "tls", "cert"], "cert and key go together");
  }
  if (check?.grpc_service !== undefined && (whole.health_check?.kind ?? whole.protocol) !== "grpc")
    add([...path, "health_check", "grpc_service"], "has no effect: the health check is not grpc");
  if (own.protocol === "tcp" && whole.routes && whole.routes.length > 0)
    add([...path, "protocol"], "services that speak tcp have no routes");
  action(own, whole, path, add);
  own.routes?.forEach((route, i) => {
    const at = [...path, "routes", i];
    action(route, refine<Whole>(whole, route), at, add);
    if (route.subset !== undefined) subset(route.subset, whole, [...at, "subset"], add);
  });
}

function action(own: Action, whole: Whole, path: Path, add: Add): void {
  const { fault, rate_limit: limit, mirror, retries } = own;
  if (fault && whole.fault?.delay_ms === undefined && whole.fault?.abort_status === undefined)
    add([...path, "fault"], "says nothing: give delay_ms or abort_status");
  if (limit && whole.rate_limit?.requests === undefined)
    add([...path, "rate_limit"], "needs requests: how many per per_ms (1000)");
  if (mirror && whole.mirror?.service === undefined && whole.mirror?.version === undefined)
    add([...path, "mirror"], "needs service or version: where the copies go");
  if (retries?.statuses !== undefined && !(whole.retries?.on ?? "").includes("retriable-status-codes"))
    add([...path, "retries", "statuses"], 'has no effect: retries.on must have "retriable-status-codes"');
}

function subset(labels: Readonly<Record<string, string>>, whole: Whole, path: Path, add: Add): void {
  const wanted = Object.keys(labels).sort().join();
  if (whole.balance?.subsets?.some((keys) => keys.toSorted().join() === wanted) !== true)
    add(
      path,
      `needs balance.subsets with [${Object.keys(labels).join(", ")}]: proxies must know of this kind of subset`,
    );
}

function edge(policy: MeshPolicy, view: MeshPolicy["edge"], path: Path, name: string, add: Add): void {
  const open = (service: string, at: Path) => {
    const { callers } = settingsFor(policy, service, []);
    if (callers !== undefined && !callers.some((pattern) => matchesGlob(pattern, name)))
      add(at, `service "${service}" does not have "${name}" among its callers`);
  };
  view.routes.forEach((route, i) => {
    const at = [...path, "routes", i];
    open(route.service, [...at, "service"]);
    const whole = settingsFor(policy, route.service, []);
    action(route, refine<Whole>(whole, route), at, add);
    if (route.subset !== undefined) subset(route.subset, whole, [...at, "subset"], add);
    const { rewrite_prefix: to, prefix } = route;
    const rewritten = to !== undefined && !(prefix === "/" && to === "/");
    if (rewritten && whole.routes?.some(({ regex }) => regex !== undefined))
      add(
        [...at, "rewrite_prefix"],
        `service "${route.service}" has a route with a regex, which cannot see what the path becomes`,
      );
    if (whole.protocol === "tcp")
      add(
        [...at, "service"],
        `service "${route.service}" speaks tcp: give it an entry in ${path.join(".")}.tcp`,
      );
  });
  if (view.hosts?.default !== undefined) open(view.hosts.default, [...path, "hosts", "default"]);
  view.tcp.forEach(({ listen, service }, i) => {
    open(service, [...path, "tcp", i, "service"]);
    const others = [view.listen, ...view.tcp.slice(0, i).map((each) => each.listen)];
    if (others.some((other) => sameListener(other, listen)))
      add([...path, "tcp", i, "listen"], `another listener has ${listen}`);
    const { protocol } = settingsFor(policy, service, []);
    if (protocol !== "tcp") add([...path, "tcp", i, "service"], `service "${service}" needs protocol: tcp`);
  });
}

/** Whether two addresses cannot be listened on at the same time. */
function sameListener(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => ({
    host: text.slice(0, text.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1"),
    port: text.slice(text.lastIndexOf(":") + 1),
  })) as [{ host: string; port: string }, { host: string; port: string }];
  if (left.port !== right.port || left.port === "0") return false;
  const any = (host: string) => host === "0.0.0.0" || host === "::";
  return (
    left.host === right.host || (isIP(left.host) === isIP(right.host) && (any(left.host) || any(right.host)))
  );
}
