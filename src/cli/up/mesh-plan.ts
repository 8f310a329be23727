import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { loadPolicy } from "../../control/policy/load-policy.ts";
import { proxyBootstrap } from "../proxy-bootstrap.ts";
import { findEnvoy } from "./find-envoy.ts";
import { freePorts } from "./free-ports.ts";
import type { UpConfig } from "./up-config.ts";

/** Where the shared parts of a mesh listen, all on 127.0.0.1. */
export interface Places {
  readonly registry: number;
  readonly auth: number;
  readonly authAdmin: number;
  readonly xds: number;
  readonly api: number;
  readonly edgeAdmin: number;
}

/** One running copy of a service with its sidecar. */
export interface InstancePlan {
  /** "users-1" */
  readonly name: string;
  readonly service: string;
  readonly app: number;
  readonly inbound: number;
  readonly outbound: number;
  readonly admin: number;
}

export interface PlanOptions {
  readonly config: UpConfig;
  readonly dataDir: string;
  readonly proxy: "weft" | "envoy";
}

const launcher = join(import.meta.dirname, "../../../bin/weft.js");

/** The files and command lines of a mesh. */
export class MeshPlan {
  readonly options: PlanOptions;
  readonly places: Places;
  readonly #run: string;

  static async make(options: PlanOptions): Promise<MeshPlan> {
    const [registry, auth, authAdmin, xds, api, edgeAdmin] = (await freePorts(6)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return new MeshPlan(options, { registry, auth, authAdmin, xds, api, edgeAdmin });
  }

  private constructor(options: PlanOptions, places: Places) {
    this.options = options;
    this.places = places;
    this.#run = join(options.dataDir, "run");
    mkdirSync(this.#run, { recursive: true });
    this.#writePolicies();
  }

  get registryUrl(): string {
    return `http://127.0.0.1:${this.places.registry}`;
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.places.api}`;
  }

  get authDb(): string {
    return join(this.options.dataDir, "auth.db");
  }

  async instance(service: string, number: number): Promise<InstancePlan> {
    const [app, inbound, outbound, admin] = (await freePorts(4)) as [number, number, number, number];
    return { name: `${service}-${number}`, service, app, inbound, outbound, admin };
  }

  registryCommand(): string[] {
    return weft(
      "registry",
      "--db",
      join(this.options.dataDir, "registry.db"),
      "--port",
      this.places.registry,
    );
  }

  authCommand(): string[] {
    const { auth, authAdmin } = this.places;
    const policy =
      this.options.config.auth.rules.length > 0 ? ["--policy", join(this.#run, "auth-policy.yaml")] : [];
    return weft(
      "auth",
      "--db",
      this.authDb,
      "--port",
      auth,
      "--grpc-port",
      0,
      "--admin-port",
      authAdmin,
      ...policy,
    );
  }

  controlCommand(): string[] {
    const { xds, api } = this.places;
    return weft(
      "control",
      "--source",
      `registry:url=${this.registryUrl}`,
      "--mesh",
      join(this.#run, "mesh.yaml"),
      "--xds-port",
      xds,
      "--api-port",
      api,
      "--last-good",
      join(this.options.dataDir, "last-good.json"),
      "--store",
      join(this.options.dataDir, "control.db"),
      // There is no other control plane to go to.
      "--drain-time",
      0,
    );
  }

  edgeCommand(): string[] {
    return this.#proxyCommand("edge", { cluster: "edge", adminPort: this.places.edgeAdmin });
  }

  sidecarCommand({ name, service, inbound, outbound, app, admin }: InstancePlan): string[] {
    const at = (port: number) => `127.0.0.1:${port}`;
    const sidecar = { service, inbound: at(inbound), outbound: at(outbound), app: at(app) };
    return this.#proxyCommand(`${name}-sidecar`, { cluster: service, adminPort: admin, sidecar });
  }

  #proxyCommand(
    nodeId: string,
    node: Omit<Parameters<typeof proxyBootstrap>[0], "control" | "nodeId">,
  ): string[] {
    // JSON, since a proxy reads it without loading a YAML parser.
    const file = join(this.#run, `${nodeId}.json`);
    const bootstrap = proxyBootstrap({ control: `127.0.0.1:${this.places.xds}`, nodeId, ...node });
    writeFileSync(file, `${JSON.stringify(bootstrap, null, 2)}\n`);
    const flags = ["-c", file, "--concurrency", "1", "--log-level", "warning"];
    return this.options.proxy === "weft"
      ? weft("proxy", ...flags)
      : [findEnvoy(), ...flags, "--use-dynamic-base-id", "--file-flush-interval-msec", "1000"];
  }

  #writePolicies(): void {
    const { config } = this.options;
    const { auth } = config;
    const mesh = {
      edge: {
        listen: `${config.edge.host.includes(":") ? `[${config.edge.host}]` : config.edge.host}:${config.edge.port}`,
        routes: config.routes,
        ...(auth.enabled && {
          auth: {
            address: `127.0.0.1:${this.places.auth}`,
            timeout_ms: auth.timeout_ms,
            failure_mode: auth.failure_mode,
          },
        }),
      },
      sidecar: config.sidecar,
      retries: config.retries,
      ...config.policy,
    };
    const text = stringify(mesh);
    loadPolicy(text, "mesh policy");
    writeFileSync(join(this.#run, "mesh.yaml"), text);
    if (auth.rules.length > 0)
      writeFileSync(join(this.#run, "auth-policy.yaml"), stringify({ rules: auth.rules }));
  }
}

function weft(...args: (string | number)[]): string[] {
  return [process.execPath, launcher, ...args.map(String)];
}
