import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { freePort } from "./free-port.ts";
import { ManagedProcess } from "./managed-process.ts";
import { findPeer } from "./peers.ts";
import { RealEtcd } from "./real-etcd.ts";
import { tempDir } from "./temp-dir.ts";
import { waitUntil } from "./wait-until.ts";

/** A user of the API server, by its bearer token. */
export type KubeUser = "admin" | "reader";

/**
 * A real Kubernetes API server on a real etcd, without controllers: tests write Services, Pods and EndpointSlices
 * themselves. `admin` may do everything, `reader` what the test grants.
 */
export class RealKube {
  readonly url: string;
  readonly etcd: RealEtcd;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ManagedProcess | undefined;

  /** The test's end stops both programs. */
  static async start(test: TestContext): Promise<RealKube> {
    const kube = new RealKube(await RealEtcd.start(test), await freePort());
    test.after(() => kube.stop());
    await kube.start();
    return kube;
  }

  private constructor(etcd: RealEtcd, port: number) {
    this.url = `https://127.0.0.1:${port}`;
    this.etcd = etcd;
    this.#folder = tempDir("kube");
    const key = join(this.#folder, "service-accounts.pem");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }));
    const tokens = join(this.#folder, "tokens.csv");
    writeFileSync(tokens, `admin-token,admin,admin,"system:masters"\nreader-token,reader,reader\n`);
    this.#args = [
      `--etcd-servers=${etcd.url}`,
      "--service-account-issuer=https://kube.test",
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      `--secure-port=${port}`,
      "--bind-address=127.0.0.1",
      `--cert-dir=${this.#folder}`,
      "--authorization-mode=RBAC",
      `--token-auth-file=${tokens}`,
      "--service-cluster-ip-range=10.96.0.0/16",
      // Nobody is there who would create the default service account.
      "--disable-admission-plugins=ServiceAccount",
    ];
  }

  /** PEM of the certificate that the server made for itself. */
  get ca(): string {
    return join(this.#folder, "apiserver.crt");
  }

  token(user: KubeUser): string {
    return `${user}-token`;
  }

  async start(): Promise<void> {
    this.#process = new ManagedProcess(findPeer("kube-apiserver")!, this.#args);
    const ready = async () => {
      if (this.#process!.ended)
        throw new Error(`kube-apiserver ended: ${this.#process!.stderr.slice(-2000)}`);
      if (!existsSync(this.ca)) return false;
      return await this.call("GET", "/readyz").then(
        ({ status }) => status === 200,
        () => false,
      );
    };
    await waitUntil("the API server is ready", ready, 60_000);
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** Ends it as a power cut would; it takes its time to end by itself while it is watched. */
  async kill(): Promise<void> {
    this.#process?.signal("SIGKILL");
    await this.#process?.exited;
  }

  /** Creates a namespace. */
  async namespace(name: string): Promise<void> {
    await this.create("/api/v1/namespaces", { metadata: { name } });
  }

  /** Creates an object in a collection, such as `/api/v1/namespaces/shop/pods`. */
  async create(collection: string, object: object): Promise<void> {
    await this.#done("POST", collection, object);
  }

  /** Changes an object by a merge patch; `path` may end in `/status`. */
  async patch(path: string, change: object): Promise<void> {
    await this.#done("PATCH", path, change);
  }

  async delete(path: string): Promise<void> {
    await this.#done("DELETE", `${path}?gracePeriodSeconds=0`);
  }

  async call(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const headers = {
      authorization: "Bearer admin-token",
      "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
    };
    const ca = readFileSync(this.ca);
    const call = request(new URL(path, this.url), { method, headers, ca, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }

  async #done(method: string, path: string, body?: object): Promise<void> {
    const { status, text } = await this.call(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path} is answered ${status}: ${text}`);
  }
}
