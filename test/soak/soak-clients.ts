import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { BIG } from "./soak-upstreams.ts";

const UPLOAD = Buffer.alloc(300_000, "u");

interface Options {
  readonly method?: string;
  readonly body?: Readable | Buffer;
  /** Waits between pieces of the response, milliseconds. */
  readonly pause?: number;
}

/** Clients of every kind, each doing one thing after the other until it is stopped. */
export class SoakClients {
  /** Failures that nobody provoked, with how often. */
  readonly unexpected = new Map<string, number>();
  readonly #done = new Map<string, number>();
  readonly #plain: number;
  readonly #tls: number;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #tlsAgent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #loops: Promise<void>[];
  #stopped = false;

  /** @param wanted matches the kinds that run */
  constructor(plain: number, tls: number, wanted: RegExp) {
    this.#plain = plain;
    this.#tls = tls;
    const kinds: Record<string, () => Promise<void>> = {
      download: async () => expectSize(await this.#get("/big"), BIG),
      "download over h2": async () => expectSize(await this.#get("/h2/big"), BIG),
      upload: async () => expectSize(await this.#get("/echo", upload()), UPLOAD.length),
      "upload to h2": async () => expectSize(await this.#get("/h2/echo", upload()), UPLOAD.length),
      "TLS upload": async () => expectSize(await this.#get("/echo", upload(), true), UPLOAD.length),
      "slow upstream": async () => expectSize(await this.#get("/slow"), 100),
      "slow reader": async () => expectSize(await this.#get("/big", { pause: 10 }), BIG),
      "slow writer": async () =>
        expectSize(await this.#get("/echo", { method: "POST", body: trickle() }), 50),
      "early answer": async () => void (await this.#get("/early", upload())),
      "client abort": () => this.#abort(),
      "upstream reset": () => this.#reset("/reset"),
      "upstream reset over h2": () => this.#reset("/h2/reset"),
      upgrade: () => this.#upgrade(),
      "h2 session": () => this.#session(`http://127.0.0.1:${this.#plain}`),
      "h2 session with TLS": () => this.#session(`https://127.0.0.1:${this.#tls}`),
    };
    const chosen = Object.entries(kinds).filter(([kind]) => wanted.test(kind));
    this.#loops = chosen.map(([kind, work]) => this.#loop(kind, work));
  }

  /** Resolves when all have finished what they do. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
    this.#tlsAgent.destroy();
  }

  summary(): string {
    return [...this.#done].map(([kind, count]) => `${kind} ${count}`).join(", ");
  }

  async #loop(kind: string, work: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await work();
        this.#done.set(kind, (this.#done.get(kind) ?? 0) + 1);
      } catch (error) {
        const text = `${kind}: ${(error as Error).message}`;
        this.unexpected.set(text, (this.unexpected.get(text) ?? 0) + 1);
      }
      await sleep(5);
    }
  }

  /** Returns the size of the response's body. */
  async #get(path: string, options: Options = {}, tls = false): Promise<number> {
    for (;;) {
      const request = this.#request(path, options.method ?? "GET", tls);
      try {
        return await sizeOfResponse(request, options);
      } catch (error) {
        // A connection that is kept may be closed in the moment in which it is used again.
        if (!request.reusedSocket || options.body instanceof Readable) throw error;
      }
    }
  }

  #request(path: string, method: string, tls: boolean): http.ClientRequest {
    const target = { host: "127.0.0.1", path, method };
    return tls
      ? https.request({ ...target, port: this.#tls, agent: this.#tlsAgent })
      : http.request({ ...target, port: this.#plain, agent: this.#agent });
  }

  async #abort(): Promise<void> {
    const request = http.get({ host: "127.0.0.1", port: this.#plain, path: "/h2/slow", agent: false });
    request.on("error", () => {});
    request.on("response", (response) => response.on("error", () => {}));
    await sleep(Math.random() * 100);
    request.destroy();
  }

  async #reset(path: string): Promise<void> {
    const request = http.get({ host: "127.0.0.1", port: this.#plain, path, agent: false });
    const outcome = await sizeOfResponse(request, {}).catch(() => "reset");
    if (outcome !== "reset") throw new Error(`a response that the upstream cut looks whole`);
  }

  #upgrade(): Promise<void> {
    const socket = connect(this.#plain, "127.0.0.1");
    socket.write("GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    let received = "";
    return new Promise((resolve, reject) => {
      socket.on("data", (bytes) => {
        received += bytes.toString("latin1");
        if (received.endsWith("ping!")) socket.end();
        else if (/^HTTP\/1\.1 101 [^]*\r\n\r\n$/.test(received)) socket.write("ping!");
      });
      socket.on("error", reject);
      socket.on("close", () => {
        if (received.endsWith("ping!")) resolve();
        else reject(new Error(`no echo: ${received.slice(0, 30)}`));
      });
    });
  }

  async #session(origin: string): Promise<void> {
    const session = http2.connect(origin, { rejectUnauthorized: false });
    session.on("error", () => {});
    const ask = async (path: string, body?: Buffer): Promise<number> => {
      const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
      stream.end(body);
      return sizeOf(stream);
    };
    try {
      const cancelled = session.request({ ":path": "/slow" });
      cancelled.on("error", () => {});
      const sizes = Promise.all([ask("/big"), ask("/h2/big"), ask("/echo", UPLOAD), ask("/h2/echo", UPLOAD)]);
      setTimeout(() => cancelled.close(http2.constants.NGHTTP2_CANCEL), 30);
      for (const [i, size] of (await sizes).entries()) expectSize(size, i < 2 ? BIG : UPLOAD.length);
    } finally {
      session.close();
      setTimeout(() => session.destroy(), 1000).unref();
    }
  }
}

function upload(): Options {
  return { method: "POST", body: UPLOAD };
}

function trickle(): Readable {
  let left = 10;
  return new Readable({
    read() {
      setTimeout(() => this.push(left-- > 0 ? "piece" : null), 30);
    },
  });
}

function sizeOfResponse(request: http.ClientRequest, { body, pause }: Options): Promise<number> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      if (response.statusCode === 200) sizeOf(response, pause).then(resolve, reject);
      else reject(new Error(`status ${response.statusCode}`));
    });
    if (body instanceof Readable) body.pipe(request);
    else request.end(body);
  });
}

async function sizeOf(stream: Readable, pause = 0): Promise<number> {
  let size = 0;
  for await (const chunk of stream) {
    size += (chunk as Buffer).length;
    if (pause > 0) await sleep(pause);
  }
  return size;
}

function expectSize(size: number, wanted: number): void {
  if (size !== wanted) throw new Error(`${size} bytes instead of ${wanted}`);
}
