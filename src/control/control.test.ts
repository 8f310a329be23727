import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Client, credentials, type ClientDuplexStream } from "@grpc/grpc-js";
import { create, decode, encode, type MessageOf } from "../proto/registry.ts";
import { makeCertificate } from "../testing/certs.ts";
import { startControl, type ControlOptions, type ControlPlane } from "./control.ts";
import { CLUSTER, ENDPOINT, typeUrl, type ResourceTypeName } from "./xds/resource-type.ts";

type DiscoveryResponse = MessageOf<"envoy.service.discovery.v3.DiscoveryResponse">;

/** A discovery client that acknowledges what it gets, unless told otherwise. */
class XdsClient {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #waiting: ((response: DiscoveryResponse) => void)[] = [];
  readonly #received: DiscoveryResponse[] = [];
  readonly #names = new Map<string, string[]>();
  readonly #node: { id: string; cluster: string };
  error: string | undefined;
  nackNext = "";

  constructor(port: number, node: { id: string; cluster: string }) {
    this.#node = node;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const same = (bytes: Buffer) => bytes;
    this.#stream = this.#client.makeBidiStreamRequest(
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
      same,
      same,
    );
    this.#stream.on("data", (bytes: Buffer) =>
      this.#receive(decode("envoy.service.discovery.v3.DiscoveryResponse", bytes)),
    );
    this.#stream.on("error", (error) => (this.error = error.message));
  }

  subscribe(type: ResourceTypeName, names: string[] = []): void {
    this.#names.set(typeUrl(type), names);
    this.#send(typeUrl(type), "", "");
  }

  async next(): Promise<DiscoveryResponse> {
    const ready = this.#received.shift();
    if (ready !== undefined) return ready;
    const { promise, resolve, reject } = Promise.withResolvers<DiscoveryResponse>();
    this.#waiting.push(resolve);
    setTimeout(() => reject(new Error("no response within 5 s")), 5000).unref();
    return promise;
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #receive(response: DiscoveryResponse): void {
    const error = this.nackNext;
    this.nackNext = "";
    this.#send(response.typeUrl, error === "" ? response.versionInfo : "", response.nonce, error);
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#received.push(response);
    else waiter(response);
  }

  #send(type: string, version: string, nonce: string, error = ""): void {
    const request = create("envoy.service.discovery.v3.DiscoveryRequest", {
      node: this.#node,
      typeUrl: type,
      versionInfo: version,
      responseNonce: nonce,
      resourceNames: this.#names.get(type) ?? [],
      ...(error !== "" && { errorDetail: { code: 13, message: error } }),
    });
    this.#stream.write(Buffer.from(encode("envoy.service.discovery.v3.DiscoveryRequest", request)));
  }
}

interface Fixture {
  readonly directory: string;
  readonly control: ControlPlane;
  readonly log: string[];
  client(node?: { id: string; cluster: string }): XdsClient;
}

async function fixture(t: TestContext, more: Partial<ControlOptions> = {}): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), "weft-control-"));
  await writeServices(directory, { users: [1001, 1002] });
  const mesh = join(directory, "mesh.policy");
  await writeFile(mesh, "edge:\n  routes:\n    - { prefix: /users, service: users }\n");
  const log: string[] = [];
  const control = await startControl({
    sources: [`file:path=${directory}`],
    mesh,
    lingerMs: 300,
    ...more,
    log: { info: (m) => log.push(m), warn: (m) => log.push(m) },
  });
  t.after(async () => {
    await control.close();
    await rm(directory, { recursive: true });
  });
  return {
    directory,
    control,
    log,
    client(node = { id: "edge-1", cluster: "edge" }) {
      const client = new XdsClient(control.xdsPort, node);
      t.after(() => client.close());
      return client;
    },
  };
}

async function writeServices(directory: string, services: Record<string, number[]>): Promise<void> {
  const content = Object.fromEntries(
    Object.entries(services).map(([name, ports]) => [
      name,
      { instances: ports.map((port) => ({ ip: "127.0.0.1", port })) },
    ]),
  );
  await writeFile(join(directory, ".new"), JSON.stringify({ services: content }));
  await rename(join(directory, ".new"), join(directory, "services.json"));
}

function portsOf(response: DiscoveryResponse): number[] {
  return response.resources.flatMap((any) =>
    decode(ENDPOINT, any.value).endpoints.flatMap((locality) =>
      locality.lbEndpoints.map((each) => {
        const host =
          each.hostIdentifier.case === "endpoint" ? each.hostIdentifier.value.address?.address : undefined;
        return host?.case === "socketAddress" && host.value.portSpecifier.case === "portValue"
          ? host.value.portSpecifier.value
          : -1;
      }),
    ),
  );
}

test("startControl() serves an edge node and pushes only the type that changed", async (t) => {
  const { directory, client } = await fixture(t);
  const edge = client();
  edge.subscribe(CLUSTER);
  const clusters = await edge.next();
  assert.deepEqual(
    clusters.resources.map((any) => decode(CLUSTER, any.value).name),
    ["users"],
  );
  edge.subscribe(ENDPOINT, ["users"]);
  assert.deepEqual(portsOf(await edge.next()), [1001, 1002]);
  await writeServices(directory, { users: [1001, 1003] });
  const update = await edge.next();
  assert.equal(update.typeUrl, typeUrl(ENDPOINT));
  assert.deepEqual(portsOf(update), [1001, 1003]);
});

test("startControl() keeps a known service with no endpoints and answers it empty", async (t) => {
  const { directory, client } = await fixture(t);
  const edge = client();
  edge.subscribe(ENDPOINT, ["users"]);
  await edge.next();
  await writeServices(directory, { users: [] });
  const update = await edge.next();
  assert.equal(update.resources.length, 1);
  assert.deepEqual(portsOf(update), []);
});

test("startControl() refuses a node without a view with a reason and logs it", async (t) => {
  const { client, log } = await fixture(t);
  const stranger = client({ id: "x", cluster: "nobody" });
  stranger.subscribe(CLUSTER);
  while (stranger.error === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.match(stranger.error, /no view for node id "x" cluster "nobody"/);
  assert.ok(log.some((line) => line.includes("no view for node id")));
});

test("startControl() shows a NACK with its reason", async (t) => {
  const { control, client } = await fixture(t);
  const edge = client();
  edge.nackNext = "I do not like it";
  edge.subscribe(CLUSTER);
  await edge.next();
  const ask = async () =>
    (await (await fetch(`http://127.0.0.1:${control.apiPort}/v1/nodes`)).json()) as {
      nodes: { types: { state: string; error: string }[] }[];
    };
  let status = (await ask()).nodes[0]!.types[0]!;
  while (status.state !== "nacked") status = (await ask()).nodes[0]!.types[0]!;
  assert.equal(status.error, "I do not like it");
  const metrics = await (await fetch(`http://127.0.0.1:${control.apiPort}/metrics`)).text();
  assert.match(metrics, /weft_xds_nacks_total\{node="edge-1",type="envoy\.config\.cluster\.v3\.Cluster"\} 1/);
});

test("startControl() holds what vanishes from a source and says so", async (t) => {
  const { directory, control, log, client } = await fixture(t);
  const edge = client();
  edge.subscribe(ENDPOINT, ["users"]);
  await edge.next();
  await writeServices(directory, {});
  while (!log.some((line) => line.includes("holding 2 endpoints of users")))
    await new Promise((resolve) => setTimeout(resolve, 10));
  const { sources } = (await (await fetch(`http://127.0.0.1:${control.apiPort}/v1/sources`)).json()) as {
    sources: { endpoints: number; holds: { service: string; reason: string }[] }[];
  };
  assert.equal(sources[0]!.endpoints, 2);
  assert.equal(sources[0]!.holds[0]!.reason, "the service vanished from its source");
});

test("startControl() serves the last known good catalog while its sources cannot be read", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "weft-last-good-"));
  t.after(() => rm(directory, { recursive: true }));
  const lastGood = join(directory, "last-good.json");
  const source = join(directory, "source");
  const log = { info() {}, warn() {} };
  const first = await (async () => {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(source);
    await writeServices(source, { users: [1001] });
    return startControl({ sources: [`file:path=${source}`], lastGood, log });
  })();
  while (!(await fetch(`http://127.0.0.1:${first.apiPort}/readyz`)).ok);
  await first.close();
  await rm(source, { recursive: true });
  const second = await startControl({ sources: [`file:path=${source}`], lastGood, log });
  t.after(() => second.close());
  const client = new XdsClient(second.xdsPort, { id: "g", cluster: "edge" });
  t.after(() => client.close());
  const { services } = (await (await fetch(`http://127.0.0.1:${second.apiPort}/v1/services`)).json()) as {
    services: { name: string }[];
  };
  assert.deepEqual(
    services.map((s) => s.name),
    ["users"],
  );
});

test("startControl() answers REST discovery with 304 for a version that the node has", async (t) => {
  const { control } = await fixture(t);
  const ask = (version: string) =>
    fetch(`http://127.0.0.1:${control.apiPort}/v3/discovery:clusters`, {
      method: "POST",
      body: JSON.stringify({ node: { id: "edge-1", cluster: "edge" }, version_info: version }),
    });
  let response = await ask("");
  while (response.status === 503) response = await ask("");
  const { version_info: version, resources } = (await response.json()) as {
    version_info: string;
    resources: { name: string }[];
  };
  assert.equal(resources[0]!.name, "users");
  assert.equal((await ask(version)).status, 304);
});

test("startControl() serves secrets of a folder to who asks for them by name", async (t) => {
  const secrets = await mkdtemp(join(tmpdir(), "weft-secrets-"));
  t.after(() => rm(secrets, { recursive: true }));
  const { cert } = makeCertificate({ name: "ca", ca: true });
  await writeFile(join(secrets, "mesh.ca.crt"), cert);
  const { client, control } = await fixture(t, { secrets });
  const edge = client();
  const type = "envoy.extensions.transport_sockets.tls.v3.Secret";
  edge.subscribe(type, ["mesh.ca"]);
  const response = await edge.next();
  assert.equal(decode(type, response.resources[0]!.value).name, "mesh.ca");
  const api = `http://127.0.0.1:${control.apiPort}`;
  const polled = await fetch(`${api}/v3/discovery:secrets`, { method: "POST", body: "{}" });
  assert.equal(polled.status, 403, "not on the port for people");
  const shown = (await (await fetch(`${api}/v1/nodes/edge-1/resources`)).json()) as Record<
    string,
    { name: string; resource: object }[]
  >;
  assert.deepEqual(
    shown[type]?.map(({ resource }) => resource),
    [{ name: "mesh.ca" }],
    "and not to people",
  );
  await assert.rejects(
    startControl({ sources: ["file:path=x"], host: "0.0.0.0", secrets, log: { info() {}, warn() {} } }),
    /Cannot serve secrets in clear text on 0\.0\.0\.0/,
  );
});
