import { createSocket, type Socket } from "node:dgram";
import { createServer, type AddressInfo, type Server } from "node:net";
import type { TestContext } from "node:test";

/** A record of a scripted DNS server; `data` is an address, or "PRIORITY WEIGHT PORT TARGET" of an SRV record. */
export interface ScriptedRecord {
  readonly type: "A" | "AAAA" | "SRV";
  readonly data: string;
  readonly ttl: number;
}

const TYPES: Record<number, ScriptedRecord["type"] | undefined> = { 1: "A", 28: "AAAA", 33: "SRV" };

/** A DNS server on a port of its own, over UDP and TCP, that says what a test tells it. The test's end closes it. */
export class ScriptedDns {
  readonly #udp: Socket;
  readonly #tcp: Server;
  /** By name in lower case without the last dot. Names that are not here do not exist. */
  readonly zone = new Map<string, readonly ScriptedRecord[]>();
  /** "TYPE name" of each question, TCP with "+tcp" after it. */
  readonly asked: string[] = [];
  /** Response code in place of an answer; -1 = silence. */
  code = 0;
  /** UDP answers say that they are cut off. */
  truncate = false;
  /** UDP answers are these bytes, after the question's id. */
  nonsense: Buffer | undefined;

  static async start(test: TestContext): Promise<ScriptedDns> {
    const dns = new ScriptedDns();
    await new Promise<void>((resolve) => dns.#tcp.listen(0, "127.0.0.1", resolve));
    const { port } = dns.#tcp.address() as AddressInfo;
    await new Promise<void>((resolve) => dns.#udp.bind(port, "127.0.0.1", resolve));
    test.after(() => {
      dns.#udp.close();
      dns.#tcp.close();
    });
    return dns;
  }

  private constructor() {
    this.#udp = createSocket("udp4");
    this.#udp.on("message", (question, from) => {
      const answer = this.#answer(question, false);
      if (answer !== undefined) this.#udp.send(answer, from.port, from.address);
    });
    this.#tcp = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (data: Buffer) => {
        const answer = this.#answer(data.subarray(2), true);
        if (answer === undefined) return;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.end(Buffer.concat([length, answer]));
      });
    });
  }

  get server(): string {
    return `127.0.0.1:${(this.#tcp.address() as AddressInfo).port}`;
  }

  #answer(question: Buffer, tcp: boolean): Buffer | undefined {
    let end = 12;
    const labels: string[] = [];
    while (question[end] !== 0) {
      labels.push(question.toString("latin1", end + 1, end + 1 + question[end]!));
      end += 1 + question[end]!;
    }
    const type = TYPES[question.readUInt16BE(end + 1)];
    const name = labels.join(".").toLowerCase();
    this.asked.push(`${type} ${name}${tcp ? "+tcp" : ""}`);
    if (this.code < 0) return undefined;
    if (this.nonsense !== undefined && !tcp) return Buffer.concat([question.subarray(0, 2), this.nonsense]);
    const all = this.zone.get(name);
    const truncated = this.truncate && !tcp;
    const records = this.code === 0 && !truncated ? (all ?? []).filter((record) => record.type === type) : [];
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(0x8180 | (truncated ? 0x0200 : 0) | (this.code || (all === undefined ? 3 : 0)), 2);
    header.writeUInt16BE(records.length, 6);
    header.writeUInt32BE(0, 8);
    // The name of each record points back at the question.
    const body = records.map(({ data, ttl, type: kind }) => {
      const bytes = encodeData(kind, data);
      const head = Buffer.from([0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
      head.writeUInt16BE(question.readUInt16BE(end + 1), 2);
      head.writeUInt32BE(ttl, 6);
      head.writeUInt16BE(bytes.length, 10);
      return Buffer.concat([head, bytes]);
    });
    return Buffer.concat([header, question.subarray(12, end + 5), ...body]);
  }
}

function encodeData(type: ScriptedRecord["type"], data: string): Buffer {
  if (type === "A") return Buffer.from(data.split(".").map(Number));
  if (type === "AAAA") {
    const [left = "", right = ""] = data.split("::");
    const groups = (text: string) =>
      text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
    const [a, b] = [groups(left), groups(right)];
    const full = [...a, ...new Array<number>(8 - a.length - b.length).fill(0), ...b];
    return Buffer.from(full.flatMap((group) => [group >> 8, group & 255]));
  }
  const [priority, weight, port, target] = data.split(" ");
  const head = Buffer.alloc(6);
  for (const [i, value] of [priority, weight, port].entries()) head.writeUInt16BE(Number(value), 2 * i);
  const labels = target!.split(".").filter((label) => label !== "");
  return Buffer.concat([
    head,
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}
