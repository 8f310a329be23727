import type { AdminEndpoint } from "./endpoint.ts";

/** GET /contention: there are no mutexes to trace here, which reads as in an Envoy without mutex tracing. */
export const contention: AdminEndpoint = {
  path: "/contention",
  help: "dump current Envoy mutex contention stats (if enabled)",
  handle: () => ({
    body: "Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.",
  }),
};
