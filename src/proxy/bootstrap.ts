import { readFileSync } from "node:fs";
import type { Ledger } from "../proto/ledger.ts";
import { LoadError, loadMessage, type Loaded } from "../proto/load.ts";
import { mergeMessage } from "../proto/merge.ts";
import type { LoadProblem } from "../proto/problem.ts";
import { create, type MessageOf } from "../proto/registry.ts";
import { reportUnsupported, unsupportedProblems } from "../proto/unsupported.ts";
import { validateMessage, violationProblems } from "../proto/validate.ts";
import type { SourceMap } from "../proto/source-map.ts";
import { clustersOf } from "./main/config-sources.ts";
import { connectionManagers } from "./main/listener-parts.ts";
import type { ProxyOptions } from "./options.ts";
import { ENVOY_VERSION, WEFT_VERSION } from "./version.ts";

export type Bootstrap = MessageOf<"envoy.config.bootstrap.v3.Bootstrap">;
type ConfigSource = MessageOf<"envoy.config.core.v3.ConfigSource">;

const NAME = "envoy.config.bootstrap.v3.Bootstrap";
/** A bootstrap that can be used. */
export interface LoadedBootstrap {
  readonly bootstrap: Bootstrap;
  /** Where its fields were written. */
  readonly source: SourceMap;
  /** Fields without support, when those are allowed. */
  readonly warnings: readonly string[];
}

/** A bootstrap that cannot be used; `message` has one line per problem. */
export class BootstrapError extends Error {}

/**
 * Reads the bootstrap of the options, merges the texts, checks it and completes its node. Throws a BootstrapError with
 * all problems at once.
 */
export function loadBootstrap(options: ProxyOptions, ledgers: readonly Ledger[]): LoadedBootstrap {
  const { bootstrap, source } = readTexts(options, ledgers);
  const violations = violationProblems(validateMessage(bootstrap), source);
  const found = reportUnsupported(bootstrap, ledgers);
  const unsupported = unsupportedProblems(found, source);
  const refused = options.allowUnsupported ? violations : [...violations, ...unsupported];
  const problems = refused.length > 0 ? [new LoadError(refused).message] : [];
  completeNode(bootstrap, options);
  problems.push(...crossProblems(bootstrap));
  if (problems.length > 0) throw new BootstrapError(problems.join("\n"));
  const warnings = options.allowUnsupported
    ? unsupported.map((problem) => new LoadError([problem]).message)
    : [];
  return { bootstrap, source, warnings: warnings.map((text) => text.replace(/^Cannot load/, "In")) };
}

function readTexts(options: ProxyOptions, ledgers: readonly Ledger[]) {
  const { configPath, configYaml } = options;
  if (configPath === "" && configYaml === "") {
    throw new BootstrapError(
      "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty",
    );
  }
  const texts: [text: string, file: string][] = [];
  if (configPath !== "") texts.push([readConfig(configPath), configPath]);
  if (configYaml !== "") texts.push([configYaml, "--config-yaml"]);
  const loaded = texts.map(([text, file]) => loadText(text, file));
  const problems = loaded.flatMap((each) => [...each.problems, ...furtherProblems(each, ledgers)]);
  if (problems.length > 0) throw new BootstrapError(new LoadError(problems).message);
  const first = loaded[0]!;
  const bootstrap = first.message!;
  let source = first.source;
  for (const each of loaded.slice(1)) {
    mergeMessage(NAME, bootstrap, each.message!);
    source = source.mergedWith(each.source);
  }
  return { bootstrap, source };
}

/** Broken rules and unsupported fields of a text that cannot be read as a whole, but for those that its faults may have caused. */
function furtherProblems(loaded: Loaded<Bootstrap>, ledgers: readonly Ledger[]): LoadProblem[] {
  const { partial, source, problems } = loaded;
  if (partial === undefined || problems.length === 0) return [];
  const faulty = new Set(problems.map(({ path }) => parentOf(path)));
  const violations = violationProblems(validateMessage(partial), source).filter(
    ({ path }) => !faulty.has(parentOf(path)) && !problems.some((problem) => problem.path.startsWith(path)),
  );
  const found = reportUnsupported(partial, ledgers);
  return [...violations, ...unsupportedProblems(found, source)];
}

function parentOf(path: string): string {
  return path.replace(/(\.[^.[]*|\[[^\]]*\])$/, "");
}

function loadText(text: string, file: string): Loaded<Bootstrap> {
  return loadMessage(NAME, text, { file, format: file.endsWith(".json") ? "json" : "yaml" });
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new BootstrapError(`Invalid path: ${path}`);
    throw new BootstrapError(`unable to read file: ${path} (${message})`);
  }
}

/** The node as it is sent to control planes: flags win over the file, and the program names itself. */
function completeNode(bootstrap: Bootstrap, options: ProxyOptions): void {
  const node = (bootstrap.node ??= create("envoy.config.core.v3.Node"));
  if (options.serviceNode !== "") node.id = options.serviceNode;
  if (options.serviceCluster !== "") node.cluster = options.serviceCluster;
  if (options.serviceZone !== "") {
    node.locality ??= create("envoy.config.core.v3.Locality");
    node.locality.zone = options.serviceZone;
  }
  node.userAgentName ||= "weft";
  if (node.userAgentVersionType.case === undefined) {
    const [major, minor, patch] = ENVOY_VERSION.split(".").map(Number);
    const value = create("envoy.config.core.v3.BuildVersion", {
      version: { majorNumber: major!, minorNumber: minor!, patch: patch! },
      metadata: {
        "revision.sha": `weft-${WEFT_VERSION}`,
        "revision.status": "Clean",
        "build.type": "RELEASE",
        "ssl.version": "OpenSSL",
      },
    });
    node.userAgentVersionType = { case: "userAgentBuildVersion", value };
  }
}

/** What no single message can say: names that clash or lead nowhere. */
function crossProblems(bootstrap: Bootstrap): string[] {
  const problems: string[] = [];
  const clusters = new Set<string>();
  for (const { name } of bootstrap.staticResources?.clusters ?? []) {
    if (clusters.has(name)) problems.push(`cluster manager: duplicate cluster '${name}'`);
    clusters.add(name);
  }
  const listeners = new Set<string>();
  for (const { name } of bootstrap.staticResources?.listeners ?? []) {
    if (name !== "" && listeners.has(name))
      problems.push(`error adding listener: duplicate listener name '${name}'`);
    listeners.add(name);
  }
  const adminAddress = bootstrap.admin?.address?.address;
  if (adminAddress?.case === "envoyInternalAddress")
    problems.push("admin: address must be a socket_address or a pipe");
  problems.push(...sourceProblems(bootstrap, clusters));
  return problems;
}

const NODE_TEXT =
  "node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options.";

function sourceProblems(bootstrap: Bootstrap, clusters: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const { ldsConfig, cdsConfig, adsConfig } = bootstrap.dynamicResources ?? {};
  const sources: [what: string, source: ConfigSource | undefined][] = [
    ["lds", ldsConfig],
    ["cds", cdsConfig],
  ];
  for (const cluster of bootstrap.staticResources?.clusters ?? []) {
    if (cluster.clusterDiscoveryType.case !== "type" || (cluster.clusterDiscoveryType.value as number) !== 3)
      continue;
    if (cluster.edsClusterConfig?.edsConfig === undefined) {
      problems.push("cannot create an EDS cluster without an EDS config");
    } else sources.push(["eds", cluster.edsClusterConfig.edsConfig]);
  }
  for (const listener of bootstrap.staticResources?.listeners ?? []) {
    for (const { routeSpecifier } of managersOf(listener)) {
      if (routeSpecifier.case === "rds") sources.push(["rds", routeSpecifier.value.configSource]);
    }
  }
  const { id, cluster: nodeCluster } = bootstrap.node!;
  const anonymous = id === "" || nodeCluster === "";
  const apis = sources.flatMap(([what, source]) => {
    const specifier = source?.configSourceSpecifier;
    if (specifier?.case === "ads" && adsConfig === undefined) {
      problems.push(`${what}_config asks for ADS but dynamic_resources.ads_config is missing`);
    }
    return specifier?.case === "apiConfigSource" ? [[what, specifier.value] as const] : [];
  });
  if (adsConfig !== undefined) apis.push(["ads", adsConfig]);
  for (const [what, api] of apis) {
    if (anonymous) problems.push(`${what}: ${NODE_TEXT}`);
    try {
      const names = (api.apiType as number) === 1 ? api.clusterNames : clustersOf(api);
      for (const name of names) {
        if (!clusters.has(name)) {
          problems.push(
            `${what}: unknown cluster '${name}': a config source needs a cluster of static_resources`,
          );
        }
      }
    } catch (error) {
      problems.push(`${what}: ${(error as Error).message}`);
    }
  }
  return [...new Set(problems)];
}

function managersOf(
  listener: Parameters<typeof connectionManagers>[0],
): ReturnType<typeof connectionManagers> {
  try {
    return connectionManagers(listener);
  } catch {
    // The listener's own check says what is wrong with it.
    return [];
  }
}
