import { stringify } from "yaml";
import { proxyBootstrap, type BootstrapOptions } from "../proxy-bootstrap.ts";
import { parseAddress, parsePort, UsageError, type CliCommand } from "../command.ts";

interface Options {
  control: string;
  nodeId: string;
  cluster?: string;
  zone: string;
  region: string;
  service?: string;
  inbound?: string;
  outbound?: string;
  app?: string;
  adminPort: number;
  zoneAware: boolean;
  loadReports: boolean;
  json: boolean;
}

/** `weft bootstrap edge|sidecar|gateway`: the bootstrap of a proxy that gets everything else from the control plane. */
export const bootstrapCommand: CliCommand = {
  define(program) {
    program
      .command("bootstrap")
      .argument("<view>", "edge, sidecar, or gateway: the front proxy of a region")
      .description("print a bootstrap for Envoy or weft proxy that gets all else from the control plane")
      .option(
        "--control <address:port,…>",
        "the control plane's xDS port; of several, proxies use any, and another when it fails",
        (text: string) =>
          text
            .split(",")
            .map((each) => parseAddress(each.trim()))
            .join(","),
        "127.0.0.1:18000",
      )
      .requiredOption("--node-id <id>", "name of this proxy")
      .option("--cluster <name>", "node cluster; default: edge, gateway, or the service")
      .option("--zone <zone>", "availability zone", "")
      .option("--region <region>", "region", "")
      .option("--service <name>", "sidecar: the service beside it")
      .option("--inbound <address:port>", "sidecar: where others reach the service", parseAddress)
      .option("--outbound <address:port>", "sidecar: where the application reaches others", parseAddress)
      .option("--app <address:port>", "sidecar: where the application listens", parseAddress)
      .option("--admin-port <port>", "admin port on 127.0.0.1", parsePort, 9901)
      .option(
        "--zone-aware",
        "sidecar: let the proxy weigh its own zone (balance.locality: zone_aware)",
        false,
      )
      .option("--load-reports", "report loads to the control plane", false)
      .option("--json", "JSON instead of YAML", false)
      .action((view: string, options: Options) => {
        const bootstrap = proxyBootstrap(bootstrapOptions(view, options));
        console.log(options.json ? JSON.stringify(bootstrap, null, 2) : stringify(bootstrap).trimEnd());
      });
  },
};

function bootstrapOptions(view: string, options: Options): BootstrapOptions {
  const { control, nodeId, zone, region, adminPort, loadReports } = options;
  const common = { control, nodeId, zone, region, adminPort, loadReports };
  if (view === "edge") return { ...common, cluster: options.cluster ?? "edge" };
  if (view === "gateway") {
    if (region === "") throw new UsageError("A gateway's bootstrap needs --region");
    return { ...common, cluster: options.cluster ?? "gateway", view: "gateway" };
  }
  if (view !== "sidecar") throw new UsageError(`"${view}" is not a view: say edge, sidecar or gateway`);
  const { service, inbound, outbound, app } = options;
  if (service === undefined || inbound === undefined || outbound === undefined || app === undefined) {
    throw new UsageError("A sidecar's bootstrap needs --service, --inbound, --outbound and --app");
  }
  return {
    ...common,
    cluster: options.cluster ?? service,
    sidecar: { service, inbound, outbound, app },
    zoneAware: options.zoneAware,
  };
}
