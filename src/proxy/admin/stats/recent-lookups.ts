// Envoy can trace which stats are looked up by name while it works. Here names are looked up only when a handle is made,
// so there is nothing to trace; the endpoints answer as with an empty trace.
import { OK, type AdminEndpoint } from "../endpoint.ts";

/** GET /stats/recentlookups. */
export const recentLookups: AdminEndpoint = {
  path: "/stats/recentlookups",
  help: "Show recent stat-name lookups",
  handle: () => ({
    body: "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n",
  }),
};

/** POST /stats/recentlookups/clear. */
export const clearRecentLookups: AdminEndpoint = {
  path: "/stats/recentlookups/clear",
  help: "clear list of stat-name lookups and counter",
  mutates: true,
  handle: () => OK,
};

/** POST /stats/recentlookups/disable. */
export const disableRecentLookups: AdminEndpoint = {
  path: "/stats/recentlookups/disable",
  help: "disable recording of reset stat-name lookup names",
  mutates: true,
  handle: () => OK,
};

/** POST /stats/recentlookups/enable. */
export const enableRecentLookups: AdminEndpoint = {
  path: "/stats/recentlookups/enable",
  help: "enable recording of reset stat-name lookup names",
  mutates: true,
  handle: () => ({ status: 501, body: "Lookup tracking is not supported\n" }),
};
