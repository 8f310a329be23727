import { createServer, type Server } from "node:net";

// Linux gives ports from 32768 on to outgoing connections, which could take one before the part listens that it is for.
const FIRST = 20_000;
const END = 32_768;

const given = new Set<number>();

/** `count` TCP ports of 127.0.0.1 that nobody listens on now, none of them given before. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === END - FIRST) throw new Error(`Cannot find ${count} free ports between ${FIRST} and ${END}`);
    const port = FIRST + Math.floor(Math.random() * (END - FIRST));
    if (given.has(port) || (await portProblem(port, "127.0.0.1")) !== undefined) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

/** Whether one could listen there; the error code if not, such as "EADDRINUSE" or "EACCES". */
export async function portProblem(port: number, host: string): Promise<string | undefined> {
  try {
    await close(await listen(port, host));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

async function listen(port: number, host: string): Promise<Server> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  server.once("error", reject);
  server.listen(port, host, () => resolve(server));
  return promise;
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}
