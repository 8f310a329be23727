import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { tempDir } from "../../src/testing/temp-dir.ts";

// What the registry acknowledged survives SIGKILL at any moment. Two lanes with a store each are killed again and again while
// writers, each on an instance of its own, write as fast as they can. A writer knows what was acknowledged last and what it
// was about to do when the registry died: after the restart one of the two must be there, and nothing else.

const kills = Number(process.env["WEFT_KILLS"] ?? 60);
const lanes = 2;
const writersPerLane = 8;

interface Known {
  state: string;
  weight: number;
}

interface Step {
  method: string;
  path: string;
  body?: object;
  result: Known | undefined;
}

interface Writer {
  path: string;
  acknowledged: Known | undefined;
  attempted: Step | undefined;
}

test(`${kills} kills lose nothing that was acknowledged`, { timeout: 180_000 }, async () => {
  const folder = tempDir("registry-kill");
  const counts = await Promise.all(
    Array.from({ length: lanes }, (_, lane) =>
      runLane(join(folder, `${lane}.db`), lane, Math.ceil(kills / lanes)),
    ),
  );
  const writes = counts.reduce((sum, count) => sum + count, 0);
  assert.ok(writes > kills, `only ${writes} writes were acknowledged`);
});

async function runLane(path: string, lane: number, rounds: number): Promise<number> {
  const random = randomNumbers(lane + 1);
  const writers: Writer[] = Array.from({ length: writersPerLane }, (_, at) => ({
    path: `/v1/services/s${at % 3}/instances/10.0.${lane}.${at}:80`,
    acknowledged: undefined,
    attempted: undefined,
  }));
  let acknowledged = 0;
  for (let round = 0; round <= rounds; round++) {
    const { child, url } = await start(path);
    const agent = new Agent({ keepAlive: true });
    try {
      await Promise.all(writers.map((writer) => verify(agent, url, writer, round)));
      if (round === rounds) break;
      const timer = setTimeout(() => child.kill("SIGKILL"), Math.floor(random() * 60));
      const done = await Promise.all(writers.map((writer) => write(agent, url, writer, random)));
      clearTimeout(timer);
      for (const count of done) acknowledged += count;
    } finally {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      agent.destroy();
    }
  }
  return acknowledged;
}

async function start(path: string): Promise<{ child: ChildProcess; url: string }> {
  const program = join(import.meta.dirname, "registry-kill.child.ts");
  const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
  const first = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  assert.ok(Buffer.isBuffer(first[0]), "the registry did not start again");
  return { child, url: first[0].toString().trim() };
}

async function verify(agent: Agent, url: string, writer: Writer, round: number): Promise<void> {
  const reply = await send(agent, url, "GET", writer.path);
  assert.ok(reply !== undefined, "the restarted registry answers");
  const found = reply.status === 404 ? undefined : known(reply.json);
  const allowed = [writer.acknowledged, ...(writer.attempted ? [writer.attempted.result] : [])];
  const fits = allowed.some((one) => one?.state === found?.state && one?.weight === found?.weight);
  assert.ok(
    fits,
    `round ${round}, ${writer.path}: found ${JSON.stringify(found)}, acknowledged ${JSON.stringify(writer.acknowledged)}, ` +
      `attempted ${JSON.stringify(writer.attempted)}`,
  );
  writer.acknowledged = found;
  writer.attempted = undefined;
}

/** Writes until the registry dies; gives how many writes it acknowledged. */
async function write(agent: Agent, url: string, writer: Writer, random: () => number): Promise<number> {
  for (let count = 0; ; count++) {
    const step = nextStep(writer, random);
    writer.attempted = step;
    const reply = await send(agent, url, step.method, step.path, step.body);
    if (reply === undefined) return count;
    assert.ok(
      reply.status < 300,
      `${step.method} ${step.path}: ${reply.status} ${JSON.stringify(reply.json)}`,
    );
    writer.acknowledged = known(reply.json);
    writer.attempted = undefined;
    assert.deepEqual(writer.acknowledged, step.result);
  }
}

function nextStep(writer: Writer, random: () => number): Step {
  const { path, acknowledged: now } = writer;
  const weight = 1 + Math.floor(random() * 60_000);
  const live = now !== undefined && now.state !== "deregistered";
  if (!live) return { method: "PUT", path, body: { weight }, result: { state: "up", weight } };
  const steps: Step[] = [
    { method: "PUT", path, body: { weight }, result: { ...now, weight } },
    { method: "PUT", path: `${path}/weight`, body: { weight }, result: { ...now, weight } },
    { method: "POST", path: `${path}/renew`, result: now },
    { method: "POST", path: `${path}/drain`, result: { ...now, state: "draining" } },
    { method: "DELETE", path: `${path}/drain`, result: { ...now, state: "up" } },
    { method: "DELETE", path, result: { ...now, state: "deregistered" } },
  ];
  return steps[Math.floor(random() * steps.length)]!;
}

function known(json: unknown): Known {
  const { state, weight } = json as Known;
  return { state, weight };
}

/** Undefined when the connection failed or broke before the whole reply was there. */
async function send(
  agent: Agent,
  url: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; json: unknown } | undefined> {
  return await new Promise((resolve) => {
    const call = request(url + path, { method, agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", () => resolve(undefined));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) as unknown }),
      );
    });
    call.on("error", () => resolve(undefined));
    call.end(body && JSON.stringify(body));
  });
}

/** A small seeded generator, so that a failing run can be played again. */
function randomNumbers(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e37_79b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 4_294_967_296;
  };
}
