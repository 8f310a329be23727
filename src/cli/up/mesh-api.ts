// How `weft ps`, `stop`, `start` and `scale` reach the `weft up` of a data folder: HTTP on loopback, its port in up.json.
import type { IncomingMessage, Server } from "node:http";
import { http } from "../../base/node-http.ts";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { UsageError } from "../command.ts";
import type { Mesh } from "./mesh.ts";

/** One line of `weft ps`. */
export interface PartJson {
  name: string;
  state: string;
  pid: number | null;
  address: string;
  about: string;
}

interface UpFile {
  pid: number;
  port: number;
}

/** Throws a UsageError when a `weft up` serves this folder already. */
export async function refuseSecondCopy(dataDir: string): Promise<void> {
  const running = readUpFile(dataDir);
  if (running === undefined) return;
  const answer = await ask(running, "GET", "/v1/parts").catch(() => undefined);
  if (answer !== undefined) {
    throw new UsageError(
      `Cannot start: weft up (pid ${running.pid}) already uses "${dataDir}"; name another folder with --data-dir`,
    );
  }
}

/** Serves the mesh's parts until the returned function is called. */
export async function serveMeshApi(mesh: Mesh, dataDir: string): Promise<() => void> {
  const server = http.createServer((request, response) => {
    handle(mesh, request).then(
      (body) => response.end(JSON.stringify(body)),
      (error: Error) => {
        response.statusCode = error instanceof UsageError ? 400 : 500;
        response.end(JSON.stringify({ error: error.message }));
      },
    );
  });
  await listen(server);
  const file: UpFile = { pid: process.pid, port: (server.address() as AddressInfo).port };
  writeFileSync(join(dataDir, "up.json"), JSON.stringify(file), { mode: 0o600 });
  return () => {
    rmSync(join(dataDir, "up.json"), { force: true });
    server.close();
    server.closeAllConnections();
  };
}

/** Calls the `weft up` of a data folder. Throws a UsageError when none runs or it refuses. */
export async function callMesh<T>(dataDir: string, method: string, path: string): Promise<T> {
  const running = readUpFile(dataDir);
  const answer = running === undefined ? undefined : await ask(running, method, path).catch(() => undefined);
  if (answer === undefined) throw new UsageError(`Cannot reach weft up: none runs with "${dataDir}"`);
  const body = (await answer.json()) as T & { error?: string };
  if (!answer.ok) throw new UsageError(body.error ?? `status ${answer.status}`);
  return body;
}

async function handle(mesh: Mesh, request: IncomingMessage): Promise<unknown> {
  const [, , kind, name = "", verb = ""] = (request.url ?? "").split("/").map(decodeURIComponent);
  const route = `${request.method} ${kind} ${verb}`;
  switch (route) {
    case "GET parts ":
      return { parts: mesh.parts.map(partJson) };
    case "POST parts stop":
      await mesh.part(name).stop();
      return partJson(mesh.part(name));
    case "POST parts kill":
      await mesh.part(name).stop(0, "SIGKILL");
      return partJson(mesh.part(name));
    case "POST parts start":
      mesh.part(name).start();
      return partJson(mesh.part(name));
    case "POST services add":
      return { instance: await mesh.addInstance(name) };
    case "POST services remove": {
      const instance = mesh.instancesOf(name).at(-1);
      if (instance === undefined) throw new UsageError(`there is no instance of "${name}"`);
      await mesh.removeInstance(instance);
      return { instance };
    }
    case "GET services ":
      return { instances: mesh.instancesOf(name) };
    default:
      throw new UsageError(`there is no ${request.method} ${request.url}`);
  }
}

function partJson(part: Mesh["parts"][number]): PartJson {
  const { name, address, about } = part.spec;
  return { name, state: part.state, pid: part.pid ?? null, address, about };
}

async function ask({ port }: UpFile, method: string, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, { method, signal: AbortSignal.timeout(15_000) });
}

function readUpFile(dataDir: string): UpFile | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, "up.json"), "utf8")) as UpFile;
  } catch {
    return undefined;
  }
}

async function listen(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", () => resolve());
  await promise;
}
