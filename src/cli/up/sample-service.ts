// A service of the demo: `node sample-service.ts users|orders|web`. Listens on PORT; knows nothing of the mesh but that
// WEFT_SIDECAR is where calls to other services go, with the service's name as Host.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { http } from "../../base/node-http.ts";

/** What a service passes on, so that a request can be followed from hop to hop. */
const PASSED_ON = ["x-request-id", "traceparent", "tracestate", "x-user-id", "x-user-roles"];

const service = process.argv[2] ?? "web";
const instance = process.env["WEFT_INSTANCE"] ?? service;
const sidecar = process.env["WEFT_SIDECAR"];

const server = http.createServer((incoming, response) => {
  incoming.resume();
  answer(incoming).then(
    (body) => reply(response, 200, body),
    (error: Error) => reply(response, 502, { service, instance, error: error.message }),
  );
});

server.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1", () =>
  console.log(`listening on 127.0.0.1:${(server.address() as AddressInfo).port}`),
);
process.on("SIGTERM", () => server.close(() => process.exit(0)));

async function answer(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  const own = {
    service,
    instance,
    path: incoming.url,
    user: incoming.headers["x-user-id"] ?? null,
    request_id: incoming.headers["x-request-id"] ?? null,
    traceparent: incoming.headers["traceparent"] ?? null,
  };
  if (service === "orders")
    return { ...own, orders: [{ id: 1, user: await call("users", "/users/1", incoming) }] };
  return own;
}

/** Calls another service: plain HTTP to the sidecar, which knows where that service lives. */
async function call(target: string, path: string, incoming: IncomingMessage): Promise<unknown> {
  if (sidecar === undefined) throw new Error("WEFT_SIDECAR is not set");
  const headers: Record<string, string> = { host: target };
  for (const name of PASSED_ON) {
    const value = incoming.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const outgoing = http.request(new URL(path, sidecar), { headers }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => (text += chunk));
    response.on("error", reject);
    response.on("end", () => {
      if (response.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${target} answers ${response.statusCode}: ${text}`));
    });
  });
  outgoing.on("error", reject);
  outgoing.end();
  return promise;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body) + "\n";
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
