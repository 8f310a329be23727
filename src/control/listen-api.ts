import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import { serve } from "@hono/node-server";
import type { Hono } from "hono";
import { listenError } from "../base/listen-error.ts";
import type { ApiTls } from "./api-access.ts";

/** The API's port. */
export interface ApiServer {
  readonly port: number;
  /** Takes another certificate for connections to come. Throws an Error for one that makes no sense. */
  setTls(tls: ApiTls): void;
  close(): void;
}

/** Serves the API, over TLS when there is a certificate. Rejects with an Error that says what is in the way. */
export async function listenApi(
  api: Hono,
  host: string,
  port: number,
  tls: ApiTls | undefined,
): Promise<ApiServer> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const secure = tls && { createServer: createTlsServer, serverOptions: { ...tls } };
  const server = serve({ fetch: api.fetch, hostname: host, port, ...secure }, (info) => resolve(info.port));
  server.on("error", (error) => reject(listenError(host, port, error)));
  return {
    port: await promise,
    setTls: (next) => server instanceof TlsServer && server.setSecureContext({ ...next }),
    close() {
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
    },
  };
}
