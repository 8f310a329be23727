// The instances of one region, and clients that ask the edge beside them for every service without pause.
// Usage: regions.child.ts REGION EDGE_PORT SERVICE:PORT… -- SERVICE…
// Prints a line of JSON every 100 ms: how often each service gave each answer since the line before.
import { Agent, createServer, request } from "node:http";

const [region, edge, ...rest] = process.argv.slice(2) as [string, string, ...string[]];
const split = rest.indexOf("--");

for (const place of rest.slice(0, split)) {
  const [service, port] = place.split(":");
  createServer((_request, response) => response.end(`${service} ${region}`)).listen(Number(port), "0.0.0.0");
}

const agent = new Agent({ keepAlive: true });
let answers: Record<string, Record<string, number>> = {};

async function ask(service: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = request(
    { host: "127.0.0.1", port: Number(edge), agent, headers: { host: service }, timeout: 20_000 },
    (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
      response.on("error", (error) => resolve(`error ${error.message}`));
    },
  );
  asked.on("timeout", () => asked.destroy(new Error("no answer")));
  asked.on("error", (error) => resolve(`error ${error.message}`)).end();
  return promise;
}

for (const service of rest.slice(split + 1)) {
  void (async () => {
    for (;;) {
      const answer = await ask(service);
      const counts = (answers[service] ??= {});
      counts[answer] = (counts[answer] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
}

setInterval(() => {
  console.log(JSON.stringify(answers));
  answers = {};
}, 100);
