import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { dockerSource } from "./docker.ts";

/** A container as the Engine API's documentation shows it. */
const container = (ip: string, labels: Record<string, string>, status = "Up 5 minutes") => ({
  Id: `8dfafdbc3a40${ip}`,
  Names: ["/boring_feynman"],
  Image: "ubuntu:latest",
  ImageID: "d74508fb6632491cea586a1fd7d748dfc5274cd6fdfedee309ecdcbc2bf5cb82",
  Command: "echo 1",
  Created: 1367854155,
  State: "running",
  Status: status,
  Ports: [
    { PrivatePort: 9090, Type: "udp" },
    { IP: "0.0.0.0", PrivatePort: 8080, PublicPort: 32768, Type: "tcp" },
  ],
  Labels: labels,
  HostConfig: { NetworkMode: "default" },
  NetworkSettings: {
    Networks: { bridge: { NetworkID: "x", IPAddress: ip, MacAddress: "02:42:ac:11:00:02" } },
  },
  Mounts: [],
});

class Engine {
  readonly path = join(tempDir("docker"), "docker.sock");
  readonly events = new Set<ServerResponse>();
  list: unknown = [];
  down = false;

  answer(url: URL): ReturnType<ScriptedHttp["answer"]> {
    if (this.down) return { status: 500, body: { message: "starting" } };
    if (url.pathname.endsWith("/containers/json"))
      return typeof this.list === "string" ? this.list : (this.list as object);
    return (_request, response) => {
      response.flushHeaders();
      this.events.add(response);
    };
  }

  event(list: unknown): void {
    this.list = list;
    for (const each of this.events) each.write('{"Type":"container","Action":"start"}\n');
  }
}

test("dockerSource.watch() follows labelled containers over the engine's socket", async (t) => {
  const engine = new Engine();
  const http = await ScriptedHttp.start(t, (url) => engine.answer(url), engine.path);
  const users = { "weft.service": "users", "weft.zone": "z", "weft.weight": "3", "weft.meta.team": "a" };
  engine.list = [
    container("172.17.0.2", users),
    container("172.17.0.3", { "weft.service": "users:81,admin:82" }),
  ];
  const source = new WatchedSource(t, dockerSource, `url=${http.url}`);
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  assert.deepEqual(reading.services.get("users")!.endpoints[0], {
    ip: "172.17.0.2",
    port: 8080,
    weight: 3,
    region: "",
    zone: "z",
    version: "",
    health: "healthy",
    metadata: { container: "boring_feynman", image: "ubuntu:latest", team: "a" },
  });
  assert.ok(http.asked.some((line) => line.includes("%22label%22%3A%5B%22weft.service%22%5D")));
  engine.event([container("172.17.0.2", users, "Up 1 second (unhealthy)")]);
  await source.until("admin= users=172.17.0.2:8080*3!un@z");
  engine.event([]);
  await source.until("admin= users=");
});

test("dockerSource.watch() keeps what it knows while the engine is away, and doubts the first look after", async (t) => {
  const engine = new Engine();
  const http = await ScriptedHttp.start(t, (url) => engine.answer(url), engine.path);
  engine.list = [container("172.17.0.2", { "weft.service": "users" })];
  const source = new WatchedSource(t, dockerSource, `url=${http.url},published=10.0.0.9`);
  await source.until("users=10.0.0.9:32768?");
  engine.down = true;
  http.breakConnections();
  await source.until("error: HTTP 500: starting");
  engine.down = false;
  for (const nonsense of ["{", "{}", "[1]", '[{"Id":5}]']) {
    engine.list = nonsense;
    await source.until(/^error: (the answer|an entry)/);
  }
  engine.list = [];
  await source.until("users=?");
  engine.event([container("172.17.0.2", { "weft.service": "users", "weft.port": "81" })]);
  await source.until("users=?+1");
  assert.ok(source.logged.some((line) => line.includes('container "boring_feynman" of "users"')));
});
