import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../command.ts";
import { freePorts, portProblem } from "./free-ports.ts";
import { MeshPlan, type InstancePlan } from "./mesh-plan.ts";
import type { Output } from "./output.ts";
import { Part } from "./part.ts";
import { waitUntilReady, waitForTcp } from "./readiness.ts";
import { Registrar } from "./registrar.ts";
import type { UpConfig } from "./up-config.ts";

export interface MeshOptions {
  readonly config: UpConfig;
  readonly dataDir: string;
  readonly proxy: "weft" | "envoy";
  readonly output: Output;
}

interface Instance {
  readonly plan: InstancePlan;
  readonly app: Part;
  readonly sidecar: Part;
  readonly registrar: Registrar;
}

/** A whole mesh on this machine: its processes, their files, and the instances that are registered. */
export class Mesh {
  readonly plan: MeshPlan;
  readonly token: string;
  readonly #options: MeshOptions;
  readonly #shared: { registry: Part; auth: Part | undefined; control: Part; edge: Part };
  readonly #instances: Instance[] = [];
  readonly #external: Registrar[] = [];
  /** Numbers given to instances so far, by service. */
  readonly #numbers = new Map<string, number>();
  /** Rejects when waiting for the mesh to be ready is of no use any more. */
  readonly #broken = Promise.withResolvers<never>();
  /** Proxies need the control plane: started before it is there, they would only complain. */
  #controlUp: Promise<void> = Promise.resolve();
  #stopped = false;

  /** Throws a UsageError when the edge's port is taken. */
  static async prepare(options: MeshOptions): Promise<Mesh> {
    const { host, port } = options.config.edge;
    const problem = await portProblem(port, host);
    if (problem !== undefined) {
      const why = problem === "EADDRINUSE" ? "another program listens there" : problem;
      throw new UsageError(
        `Cannot open the edge at ${host}:${port}: ${why}; name another port with --edge-port`,
      );
    }
    mkdirSync(options.dataDir, { recursive: true });
    const edge = { host, port: port === 0 ? (await freePorts(1))[0]! : port };
    const settled = { ...options, config: { ...options.config, edge } };
    const plan = await MeshPlan.make(settled);
    return new Mesh(settled, plan, await demoToken(options.dataDir, plan.authDb));
  }

  private constructor(options: MeshOptions, plan: MeshPlan, token: string) {
    this.#options = options;
    // Nobody waits any more once the mesh is ready.
    this.#broken.promise.catch(() => {});
    this.plan = plan;
    this.token = token;
    const { registry, auth, api, edgeAdmin } = plan.places;
    const part = (name: string, command: string[], about: string, port: number, ours = true) =>
      new Part({ name, command, about, address: `127.0.0.1:${port}`, restart: true, ours }, options.output);
    const { host, port } = options.config.edge;
    this.#shared = {
      registry: part("registry", plan.registryCommand(), "service registry", registry),
      auth: options.config.auth.enabled
        ? part("auth", plan.authCommand(), `auth service (health 127.0.0.1:${plan.places.authAdmin})`, auth)
        : undefined,
      control: part("control", plan.controlCommand(), "control plane (API)", api),
      edge: new Part(
        {
          name: "edge",
          command: plan.edgeCommand(),
          about: `edge proxy (admin 127.0.0.1:${edgeAdmin})`,
          address: `${host}:${port}`,
          restart: true,
          ours: options.proxy === "weft",
        },
        options.output,
      ),
    };
  }

  get parts(): Part[] {
    const { registry, auth, control, edge } = this.#shared;
    return [
      registry,
      ...(auth ? [auth] : []),
      control,
      edge,
      ...this.#instances.flatMap(({ app, sidecar }) => [app, sidecar]),
    ];
  }

  get edgeUrl(): string {
    const { host, port } = this.#options.config.edge;
    return `http://${host}:${port}`;
  }

  /** Starts everything and returns when requests get through. Throws when that takes too long. */
  async start(): Promise<void> {
    const { registry, auth, control, edge } = this.#shared;
    registry.start();
    control.start();
    this.#controlUp = waitForTcp(this.plan.places.xds);
    auth?.start();
    const started = Object.entries(this.#options.config.services).map(async ([service, config]) => {
      for (const address of config.addresses ?? []) this.#registerExternal(service, address);
      if (config.command === undefined) return;
      await Promise.all(Array.from({ length: config.instances }, () => this.addInstance(service)));
    });
    await Promise.all(started);
    this.#startProxy(edge);
    const plans = this.#instances.map(({ plan }) => plan);
    await Promise.race([waitUntilReady(this, this.#options.config, plans), this.#broken.promise]);
  }

  /** Starts one more instance of a service; returns its name. */
  async addInstance(service: string): Promise<string> {
    const config = this.#options.config.services[service];
    if (config?.command === undefined)
      throw new UsageError(`there is no service "${service}" with a command`);
    // Taken before the first await, so that two calls get two numbers.
    const number = (this.#numbers.get(service) ?? 0) + 1;
    this.#numbers.set(service, number);
    const plan = await this.plan.instance(service, number);
    const { output, proxy } = this.#options;
    const registrar = new Registrar(
      {
        registry: this.plan.registryUrl,
        service,
        address: `127.0.0.1:${plan.inbound}`,
        leaseSeconds: config.lease_seconds,
        version: config.version,
        metadata: { instance: plan.name },
      },
      (text) => output.line(plan.name, text),
    );
    const app = new Part(
      {
        name: plan.name,
        command: config.command,
        about: `instance of ${service}`,
        address: `127.0.0.1:${plan.app}`,
        restart: config.restart === "always",
        ours: false,
        env: {
          ...config.env,
          PORT: String(plan.app),
          WEFT_SIDECAR: `http://127.0.0.1:${plan.outbound}`,
          WEFT_INSTANCE: plan.name,
          WEFT_SERVICE: service,
        },
        onUnrunnable: (problem) =>
          this.#broken.reject(
            new UsageError(
              `Cannot start the mesh: instance ${plan.name}: ${problem}; correct services.${service}.command`,
            ),
          ),
        onExit: () => {
          if (config.restart === "always") return;
          registrar.abandon();
          output.line(plan.name, `its lease of ${config.lease_seconds} s is not renewed any more`);
        },
      },
      output,
    );
    const sidecar = new Part(
      {
        name: `${plan.name}-sidecar`,
        command: this.plan.sidecarCommand(plan),
        about: `sidecar of ${plan.name} (out 127.0.0.1:${plan.outbound}, admin 127.0.0.1:${plan.admin})`,
        address: `127.0.0.1:${plan.inbound}`,
        restart: true,
        ours: proxy === "weft",
      },
      output,
    );
    this.#instances.push({ plan, app, sidecar, registrar });
    app.start();
    this.#startProxy(sidecar);
    // Others learn of it once both answer.
    void Promise.all([waitForTcp(plan.app), waitForTcp(plan.inbound)]).then(() => {
      if (!this.#stopped && app.state === "running") registrar.start();
    });
    return plan.name;
  }

  /** Takes an instance out: deregisters it, lets its requests finish, stops it. */
  async removeInstance(name: string): Promise<void> {
    const index = this.#instances.findIndex(({ plan }) => plan.name === name);
    const instance = this.#instances[index];
    if (instance === undefined) throw new UsageError(`there is no instance "${name}"`);
    await instance.registrar.deregister("stopped by request");
    this.#instances.splice(index, 1);
    await Promise.all([instance.sidecar.stop(), instance.app.stop()]);
  }

  /** The part of this name. Throws a UsageError that lists the names. */
  part(name: string): Part {
    const part = this.parts.find((each) => each.spec.name === name);
    if (part !== undefined) return part;
    throw new UsageError(
      `there is no part "${name}"; there are ${this.parts.map((each) => each.spec.name).join(", ")}`,
    );
  }

  instancesOf(service: string): string[] {
    return this.#instances.filter(({ plan }) => plan.service === service).map(({ plan }) => plan.name);
  }

  /** Stops everything, from the edge inwards, so that requests under way finish. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const { registry, auth, control, edge } = this.#shared;
    await edge.stop();
    for (const { registrar } of this.#instances) registrar.abandon();
    for (const registrar of this.#external) registrar.abandon();
    await Promise.all(this.#instances.map(({ sidecar }) => sidecar.stop()));
    await Promise.all([...this.#instances.map(({ app }) => app.stop()), control.stop(), auth?.stop()]);
    await registry.stop();
  }

  #startProxy(proxy: Part): void {
    void this.#controlUp.then(() => {
      // Its instance may have been taken out meanwhile.
      if (!this.#stopped && this.parts.includes(proxy)) proxy.start();
    });
  }

  #registerExternal(service: string, address: string): void {
    const { lease_seconds: leaseSeconds, version } = this.#options.config.services[service]!;
    const registrar = new Registrar(
      { registry: this.plan.registryUrl, service, address, leaseSeconds, version, metadata: {} },
      (text) => this.#options.output.line(service, text),
    );
    this.#external.push(registrar);
    registrar.start();
  }
}

/** A token that works on this mesh, the same at every start. */
async function demoToken(dataDir: string, authDb: string): Promise<string> {
  const file = join(dataDir, "token");
  if (existsSync(file) && existsSync(authDb)) return readFileSync(file, "utf8").trim();
  const { createAuthToken } = await import("../../auth/token-file.ts");
  const { token } = createAuthToken(authDb, { user: "demo", roles: ["admin"] });
  writeFileSync(file, token + "\n", { mode: 0o600 });
  return token;
}
