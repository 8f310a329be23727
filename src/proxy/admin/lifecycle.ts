// Endpoints that switch something on the server and answer OK.
import { OK, type AdminEndpoint } from "./endpoint.ts";

/** POST /drain_listeners. */
export const drainListeners: AdminEndpoint = {
  path: "/drain_listeners",
  help: "drain listeners",
  mutates: true,
  parameters: [
    {
      name: "graceful",
      kind: "flag",
      help:
        "When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and " +
        "duration is configurable via server options or CLI",
    },
    {
      name: "skip_exit",
      kind: "flag",
      help:
        "When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no " +
        "effect when this is set, since the drain period only delays stopping the listeners",
    },
    {
      name: "inboundonly",
      kind: "flag",
      help:
        "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is " +
        "used to determine whether a listener is inbound or outbound.",
    },
  ],
  handle: ({ host, query }) => {
    host.drainListeners({
      graceful: query.has("graceful"),
      skipExit: query.has("skip_exit"),
      inboundOnly: query.has("inboundonly"),
    });
    return OK;
  },
};

/** POST /quitquitquit. The answer is written before the server goes. */
export const quitQuitQuit: AdminEndpoint = {
  path: "/quitquitquit",
  help: "exit the server",
  mutates: true,
  handle: ({ host }) => ({ ...OK, after: () => host.quit() }),
};

/** POST /reset_counters. */
export const resetCounters: AdminEndpoint = {
  path: "/reset_counters",
  help: "reset all counters to zero",
  mutates: true,
  handle: async ({ host }) => {
    await host.prepareStats?.();
    host.resetCounters();
    return OK;
  },
};

/** POST /reopen_logs. */
export const reopenLogs: AdminEndpoint = {
  path: "/reopen_logs",
  help: "reopen access logs",
  mutates: true,
  handle: ({ host }) => {
    host.reopenLogs();
    return OK;
  },
};
