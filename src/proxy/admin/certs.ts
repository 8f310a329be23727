import { jsonReply, type AdminEndpoint } from "./endpoint.ts";

/** GET /certs. */
export const certs: AdminEndpoint = {
  path: "/certs",
  help: "print certs on machine",
  handle: ({ host }) => jsonReply({ certificates: host.certificates?.() ?? [] }),
};
