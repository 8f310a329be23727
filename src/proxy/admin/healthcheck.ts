import { OK, type AdminEndpoint } from "./endpoint.ts";

/** POST /healthcheck/fail. */
export const healthcheckFail: AdminEndpoint = {
  path: "/healthcheck/fail",
  help: "cause the server to fail health checks",
  mutates: true,
  handle: ({ host }) => {
    host.setHealthcheckFailed(true);
    return OK;
  },
};

/** POST /healthcheck/ok. */
export const healthcheckOk: AdminEndpoint = {
  path: "/healthcheck/ok",
  help: "cause the server to pass health checks",
  mutates: true,
  handle: ({ host }) => {
    host.setHealthcheckFailed(false);
    return OK;
  },
};
