import type { Context } from "hono";
import { canonicalIp } from "../canonical-ip.ts";
import type { InstanceId } from "../model.ts";
import { Refusal } from "../refusal.ts";

/** A service's name: it becomes a host name and the name of a cluster. */
const serviceNameRule =
  'letters, digits, ".", "_" and "-", at most 128 in all, the first a letter or a digit';
const serviceName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const maxPort = 65535;

export function serviceOf(context: Context): string {
  return checkService(context.req.param("service") ?? "");
}

export function checkService(name: string): string {
  if (serviceName.test(name)) return name;
  throw new Refusal(400, `"${name.slice(0, 128)}" is not a service name`, {
    field: "service",
    allowed: serviceNameRule,
  });
}

/** The instance that the path names as `/…/:service/…/:address`. */
export function instanceOf(context: Context): InstanceId {
  const address = parseAddress(context.req.param("address") ?? "");
  return { service: serviceOf(context), ...address };
}

/** Reads `ip:port` or `[ip]:port`. Throws a Refusal (400). */
export function parseAddress(text: string): { ip: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const allowed = `ip:port or [ipv6]:port, with a port from 1 to ${maxPort}`;
  if (match === null)
    throw new Refusal(400, `"${text.slice(0, 128)}" is not an address`, { field: "address", allowed });
  const bracketed = match[1] !== undefined;
  const ip = canonicalIp(match[1] ?? match[2] ?? "");
  const port = Number(match[3]);
  if (ip === undefined || (bracketed && !(match[1] ?? "").includes(":"))) {
    throw new Refusal(400, `"${text.slice(0, 128)}" has no IP address`, { field: "address", allowed });
  }
  if (port < 1 || port > maxPort)
    throw new Refusal(400, `port ${port} is out of range`, { field: "address", allowed });
  return { ip, port };
}

/** Reads a whole body of at most `limit` bytes as text. Throws a Refusal (413, 400). */
export async function readText(context: Context, limit: number): Promise<string> {
  const tooLarge = () =>
    new Refusal(413, `the body is larger than ${limit} bytes`, { allowed: `at most ${limit} bytes` });
  if (Number(context.req.header("content-length") ?? 0) > limit) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of context.req.raw.body ?? []) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new Refusal(400, "the body is not UTF-8");
  }
}

/** Reads a JSON body; an empty one is an empty object. */
export async function readJson(context: Context, limit: number): Promise<unknown> {
  const text = await readText(context, limit);
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, `the body is not JSON: ${(error as Error).message}`);
  }
}
