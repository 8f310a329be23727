import type { AdminEndpoint } from "./endpoint.ts";

/** GET /ready. */
export const ready: AdminEndpoint = {
  path: "/ready",
  help: "print server state, return 200 if LIVE, otherwise return 503",
  handle: ({ host }) => {
    const state = host.state();
    return { status: state === "LIVE" ? 200 : 503, body: `${state}\n` };
  },
};
