import type { AdminEndpoint } from "./endpoint.ts";

/** Envoy's version of the hot restart protocol; /server_info prints it too. */
export const HOT_RESTART_VERSION = "11.104";

/** GET /hot_restart_version. */
export const hotRestartVersion: AdminEndpoint = {
  path: "/hot_restart_version",
  help: "print the hot restart compatibility version",
  handle: () => ({ body: HOT_RESTART_VERSION }),
};
