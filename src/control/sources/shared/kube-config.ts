import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { loadConfig } from "../../../base/load-config.ts";
import type { HttpClientOptions } from "../../../base/http-client.ts";

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const EXEC_TIMEOUT_MS = 30_000;

const text = z.string().default("");
const user = z.looseObject({
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  exec: z
    .looseObject({
      command: z.string(),
      args: z.array(z.string()).nullish(),
      env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
      apiVersion: z.string().default("client.authentication.k8s.io/v1"),
    })
    .optional(),
});
const cluster = z.looseObject({
  server: z.string(),
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": z.boolean().default(false),
  "tls-server-name": z.string().optional(),
});
const configSchema = z.looseObject({
  "current-context": text,
  contexts: z
    .array(z.looseObject({ name: z.string(), context: z.looseObject({ cluster: z.string(), user: text }) }))
    .default([]),
  clusters: z.array(z.looseObject({ name: z.string(), cluster })).default([]),
  users: z.array(z.looseObject({ name: z.string(), user })).default([]),
});
const credentialSchema = z.looseObject({
  status: z.looseObject({
    token: text,
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
  }),
});

/**
 * How to reach a cluster: by the kubeconfig that is named, else as a pod of the cluster, else by `KUBECONFIG` or
 * `~/.kube/config`. Throws an Error when there is none or it asks for what is not supported.
 */
export async function kubeTarget(file: string, context: string): Promise<HttpClientOptions> {
  const {
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: port = "443",
    KUBECONFIG = "",
  } = process.env;
  if (file === "" && context === "" && host !== undefined && existsSync(join(SERVICE_ACCOUNT, "token")))
    return inCluster(host, port);
  const path =
    file || KUBECONFIG.split(delimiter).find((each) => existsSync(each)) || join(homedir(), ".kube/config");
  if (!existsSync(path))
    throw new Error(`there is no kubeconfig "${path}", and this is not a pod of a cluster`);
  return fromConfig(path, context);
}

async function inCluster(host: string, port: string): Promise<HttpClientOptions> {
  return {
    url: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    pem: { ca: await readFile(join(SERVICE_ACCOUNT, "ca.crt"), "utf8") },
    headers: () => tokenFrom(join(SERVICE_ACCOUNT, "token")),
  };
}

/** Tokens of service accounts are replaced now and then. */
async function tokenFrom(file: string): Promise<Record<string, string>> {
  return { authorization: `Bearer ${(await readFile(file, "utf8")).trim()}` };
}

async function fromConfig(path: string, wanted: string): Promise<HttpClientOptions> {
  const config = loadConfig(configSchema, await readFile(path, "utf8"), path);
  const name = wanted || config["current-context"];
  const context = config.contexts.find((each) => each.name === name)?.context;
  if (context === undefined) throw new Error(`Cannot use kubeconfig "${path}": it has no context "${name}"`);
  const place = config.clusters.find((each) => each.name === context.cluster)?.cluster;
  if (place === undefined)
    throw new Error(`Cannot use kubeconfig "${path}": it has no cluster "${context.cluster}"`);
  const account = config.users.find((each) => each.name === context.user)?.user ?? user.parse({});
  for (const [field, owner] of [
    ["proxy-url", place],
    ["auth-provider", account],
    ["as", account],
  ] as const) {
    if (owner[field] !== undefined)
      throw new Error(`Cannot use kubeconfig "${path}": field "${field}" is not supported`);
  }
  const data = async (inline: string, file: string) =>
    inline !== ""
      ? Buffer.from(inline, "base64").toString()
      : file === ""
        ? undefined
        : readFile(resolve(dirname(path), file), "utf8");
  const [ca, ownCert, ownKey] = await Promise.all([
    data(place["certificate-authority-data"], place["certificate-authority"]),
    data(account["client-certificate-data"], account["client-certificate"]),
    data(account["client-key-data"], account["client-key"]),
  ]);
  const plugin = account.exec === undefined ? undefined : await runPlugin(account.exec, path);
  const [cert, key] = [ownCert ?? plugin?.clientCertificateData, ownKey ?? plugin?.clientKeyData];
  const { username, password, tokenFile } = account;
  const token = account.token || plugin?.token || "";
  return {
    url: place.server,
    pem: {
      insecure: place["insecure-skip-tls-verify"],
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(place["tls-server-name"] !== undefined && { servername: place["tls-server-name"] }),
    },
    async headers(): Promise<Record<string, string>> {
      if (tokenFile !== "") return tokenFrom(resolve(dirname(path), tokenFile));
      if (token !== "") return { authorization: `Bearer ${token}` };
      if (username === "") return {};
      return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
    },
  };
}

/** Asks a credential plugin, as those of cloud providers; its answer holds until the connection is begun anew. */
async function runPlugin(
  exec: NonNullable<z.infer<typeof user>["exec"]>,
  path: string,
): Promise<z.infer<typeof credentialSchema>["status"]> {
  const info = { apiVersion: exec.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  const env = { ...process.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) } as NodeJS.ProcessEnv;
  for (const { name, value } of exec.env ?? []) env[name] = value;
  const command = exec.command.includes("/") ? resolve(dirname(path), exec.command) : exec.command;
  try {
    const { stdout } = await promisify(execFile)(command, exec.args ?? [], { env, timeout: EXEC_TIMEOUT_MS });
    return credentialSchema.parse(JSON.parse(stdout)).status;
  } catch (error) {
    // What it printed may hold a token.
    const { code } = error as { code?: unknown };
    throw new Error(
      `the credential plugin "${exec.command}" failed${typeof code === "string" || typeof code === "number" ? ` (${code})` : ""}`,
    );
  }
}
