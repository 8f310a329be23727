import { createServer, request, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

/** An HTTP server that answers with its name, and remembers what it was asked. */
export class Named {
  readonly asked: { path: string; headers: IncomingHttpHeaders }[] = [];
  port = 0;
  /** Of all answers from now on. */
  status = 200;

  static async start(context: TestContext, name: string): Promise<Named> {
    const named = new Named();
    const server = createServer(({ url, headers }, response) => {
      named.asked.push({ path: url!, headers });
      response.statusCode = named.status;
      response.setHeader("x-served-by", name);
      response.end(name);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    context.after(() => {
      server.closeAllConnections();
      server.close();
    });
    named.port = (server.address() as AddressInfo).port;
    return named;
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** One request. */
export async function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request({ host: "127.0.0.1", port, path, method, headers: { host: "test", ...headers } }, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (text: string) => (body += text));
    response.on("end", () => resolve({ status: response.statusCode!, body, headers: response.headers }));
  })
    .on("error", reject)
    .end();
  return promise;
}
