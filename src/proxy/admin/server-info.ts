import { toJson as messageToJson } from "@bufbuild/protobuf";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { create, fromJson, registry, schema, type MessageOf } from "../../proto/registry.ts";
import { jsonReply, type AdminEndpoint } from "./endpoint.ts";
import { HOT_RESTART_VERSION } from "./hot-restart-version.ts";

const STATES = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 } as const;

/** GET /server_info: envoy.admin.v3.ServerInfo, defaults included. */
export const serverInfo: AdminEndpoint = {
  path: "/server_info",
  help: "print server version/status information",
  handle: ({ host }) => {
    const uptime = { seconds: BigInt(Math.floor(host.uptime() / 1000)), nanos: 0 };
    const info = create("envoy.admin.v3.ServerInfo", {
      version: versionText(host.node.userAgentVersionType),
      state: STATES[host.state()],
      uptimeCurrentEpoch: uptime,
      uptimeAllEpochs: uptime,
      hotRestartVersion: HOT_RESTART_VERSION,
      commandLineOptions: fromJson("envoy.admin.v3.CommandLineOptions", host.commandLine as JsonObject),
      node: host.node,
    });
    const json = messageToJson(schema("envoy.admin.v3.ServerInfo"), info, {
      registry: registry(),
      useProtoFieldName: true,
      alwaysEmitImplicit: true,
    });
    return jsonReply(json);
  },
};

type Version = MessageOf<"envoy.config.core.v3.Node">["userAgentVersionType"];

/** "<revision>/<version>/<status>/<build type>/<ssl>", as Envoy puts it together. */
function versionText(version: Version): string {
  if (version.case === "userAgentVersion") return version.value;
  if (version.case !== "userAgentBuildVersion") return "";
  const { version: number, metadata } = version.value;
  const of = (key: string): string => {
    const value = (metadata as Record<string, JsonValue> | undefined)?.[key];
    return typeof value === "string" ? value : "";
  };
  const semantic = `${number?.majorNumber ?? 0}.${number?.minorNumber ?? 0}.${number?.patch ?? 0}`;
  return [of("revision.sha"), semantic, of("revision.status"), of("build.type"), of("ssl.version")].join("/");
}
