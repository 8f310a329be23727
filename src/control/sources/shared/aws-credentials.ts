import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { AwsCredentials } from "./aws-signature.ts";
import {
  HttpClient,
  HttpError,
  parseJson,
  type HttpCall,
  type HttpReply,
} from "../../../base/http-client.ts";
import { parseXml, xmlAll, xmlText } from "./xml.ts";

interface Temporary extends AwsCredentials {
  /** Wall clock, milliseconds; Infinity = they stay. */
  readonly expires: number;
}

/** Temporary credentials are replaced this long before they end. */
const EARLY_MS = 300_000;
const TIMEOUT_MS = 5000;

const answerSchema = z.object({
  AccessKeyId: z.string(),
  SecretAccessKey: z.string(),
  Token: z.string().default(""),
  Expiration: z.string().optional(),
});

type Env = Readonly<Record<string, string | undefined>>;

/**
 * AWS credentials from where AWS's own programs look, in this order: AWS_ACCESS_KEY_ID, a web identity token (EKS), the
 * shared credentials file, the container's endpoint (ECS, EKS pod identity), the instance's metadata service (EC2).
 */
export class AwsCredentialChain {
  readonly #env: Env;
  readonly #region: string;
  #known: Temporary | undefined;

  constructor(region: string, env: Env = process.env) {
    this.#region = region;
    this.#env = env;
  }

  /** Throws an Error when nobody gives any. */
  async get(signal: AbortSignal): Promise<AwsCredentials> {
    if (this.#known === undefined || Date.now() > this.#known.expires - EARLY_MS)
      this.#known = await this.#find(signal);
    return this.#known;
  }

  async #find(signal: AbortSignal): Promise<Temporary> {
    const env = this.#env;
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
    if (accessKeyId !== undefined && secretAccessKey !== undefined) {
      const sessionToken = env["AWS_SESSION_TOKEN"] ?? "";
      return { accessKeyId, secretAccessKey, sessionToken, expires: Number.POSITIVE_INFINITY };
    }
    if (env["AWS_WEB_IDENTITY_TOKEN_FILE"] !== undefined) return webIdentity(env, this.#region, signal);
    const shared = await fromFile(env);
    if (shared !== undefined) return shared;
    const relative = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
    const full = env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    if (relative !== undefined) return fromContainer(`http://169.254.170.2${relative}`, env, signal);
    if (full !== undefined) return fromContainer(full, env, signal);
    return fromInstance(env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254", signal);
  }
}

async function webIdentity(env: Env, region: string, signal: AbortSignal): Promise<Temporary> {
  const form = new URLSearchParams({
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: env["AWS_ROLE_ARN"] ?? "",
    RoleSessionName: env["AWS_ROLE_SESSION_NAME"] ?? "weft-control",
    WebIdentityToken: (await readFile(env["AWS_WEB_IDENTITY_TOKEN_FILE"]!, "utf8")).trim(),
  });
  const reply = await ask(env["AWS_ENDPOINT_URL_STS"] ?? `https://sts.${region}.amazonaws.com`, "/", {
    signal,
    timeoutMs: TIMEOUT_MS,
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: form.toString(),
  });
  if (reply.status !== 200) throw new HttpError(reply.status, reply.body);
  const path = "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials";
  const given = xmlAll(parseXml(reply.body), path)[0];
  if (given === undefined) throw new Error("the security token service gives no credentials");
  return {
    accessKeyId: xmlText(given, "AccessKeyId"),
    secretAccessKey: xmlText(given, "SecretAccessKey"),
    sessionToken: xmlText(given, "SessionToken"),
    expires: Date.parse(xmlText(given, "Expiration")),
  };
}

/** Keys of a profile; profiles that assume roles or log in elsewhere are passed over. */
async function fromFile(env: Env): Promise<Temporary | undefined> {
  const file = env["AWS_SHARED_CREDENTIALS_FILE"] ?? join(env["HOME"] ?? homedir(), ".aws/credentials");
  const text = await readFile(file, "utf8").catch(() => "");
  const wanted = env["AWS_PROFILE"] ?? "default";
  let profile = "";
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const head = /^\s*\[\s*(.+?)\s*\]/.exec(line);
    if (head !== null) profile = head[1]!;
    const pair = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line);
    if (pair !== null && profile === wanted) values.set(pair[1]!.toLowerCase(), pair[2]!);
  }
  const [accessKeyId, secretAccessKey] = [
    values.get("aws_access_key_id"),
    values.get("aws_secret_access_key"),
  ];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  // Others may write temporary ones into the file: look again now and then.
  const expires = Date.now() + 2 * EARLY_MS;
  return { accessKeyId, secretAccessKey, sessionToken: values.get("aws_session_token") ?? "", expires };
}

async function fromContainer(url: string, env: Env, signal: AbortSignal): Promise<Temporary> {
  const file = env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  const token =
    file === undefined ? env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] : (await readFile(file, "utf8")).trim();
  const { origin, pathname, search } = new URL(url);
  const reply = await ask(origin, pathname + search, {
    signal,
    timeoutMs: TIMEOUT_MS,
    headers: token === undefined ? {} : { authorization: token },
  });
  return temporary(parseJson(pathname, reply));
}

/** By the metadata service's second version, which asks for a token first. */
async function fromInstance(url: string, signal: AbortSignal): Promise<Temporary> {
  const call = { signal, timeoutMs: 2000 };
  const base = "/latest/meta-data/iam/security-credentials/";
  try {
    const tokenCall = { ...call, method: "PUT", headers: { "x-aws-ec2-metadata-token-ttl-seconds": "300" } };
    const token = await ask(url, "/latest/api/token", tokenCall);
    const headers = { "x-aws-ec2-metadata-token": token.body };
    const role = await ask(url, base, { ...call, headers });
    if (token.status !== 200 || role.status !== 200) throw new HttpError(role.status, role.body);
    const path = base + role.body.split("\n")[0]!.trim();
    return temporary(parseJson(path, await ask(url, path, { ...call, headers })));
  } catch (error) {
    throw new Error(
      `there are no AWS credentials: none in the environment or the shared file, and ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

async function ask(url: string, path: string, call: HttpCall): Promise<HttpReply> {
  const client = new HttpClient({ url });
  try {
    return await client.call(path, call);
  } finally {
    client.close();
  }
}

function temporary(answer: unknown): Temporary {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) throw new Error("the answer holds no AWS credentials");
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = parsed.data;
  const expires = Expiration === undefined ? Date.now() + 2 * EARLY_MS : Date.parse(Expiration);
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token, expires };
}
