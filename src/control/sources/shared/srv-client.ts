import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { getServers } from "node:dns";
import { connect, isIPv6 } from "node:net";
import { describeError } from "../../../base/describe-error.ts";
import { decodeSrvAnswer, encodeSrvQuestion, type SrvAnswer, type SrvRecord } from "./dns-message.ts";

const TRIES = 2;
const CODES = [
  "",
  "the question was malformed",
  "server failure",
  "no such name",
  "not implemented",
  "refused",
];

/** Asks for SRV records with their TTL, over UDP and, for long answers, TCP. */
export class SrvClient {
  readonly #servers: readonly string[];
  readonly #timeoutMs: number;

  /** `servers`: "ip", "ip:port" or "[ip]:port"; none = those of the system. */
  constructor(servers: readonly string[], timeoutMs: number) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
  }

  /** The records of a name, none when there is no such name. Throws an Error when no server can say. */
  async resolve(name: string): Promise<readonly SrvRecord[]> {
    let problem = "no DNS server is known";
    const servers = this.#servers.length > 0 ? this.#servers : getServers();
    for (let i = 0; i < TRIES; i++) {
      for (const server of servers) {
        try {
          return await this.#ask(server, name);
        } catch (error) {
          problem = `DNS server ${server}: ${describeError(error)}`;
        }
      }
    }
    throw new Error(`cannot resolve "${name}": ${problem}`);
  }

  async #ask(server: string, name: string): Promise<readonly SrvRecord[]> {
    const { host, port } = addressOf(server);
    const question = encodeSrvQuestion(randomInt(65_536), name);
    let answer = await askUdp(host, port, question, name, this.#timeoutMs);
    if (answer.truncated) answer = await askTcp(host, port, question, name, this.#timeoutMs);
    if (answer.code === 3) return [];
    if (answer.code !== 0) throw new Error(CODES[answer.code] ?? `code ${answer.code}`);
    return answer.records;
  }
}

function addressOf(server: string): { host: string; port: number } {
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(server);
  if (match === null) return { host: server, port: 53 };
  return { host: (match[1] ?? match[2])!, port: Number(match[3] ?? 53) };
}

async function askUdp(
  host: string,
  port: number,
  question: Buffer,
  name: string,
  timeoutMs: number,
): Promise<SrvAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<SrvAnswer>();
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  socket.on("error", reject);
  socket.on("message", (message) => {
    try {
      const answer = decodeSrvAnswer(message, name);
      // An answer to another question may be late, or forged: the right one may still come.
      if (answer.id === question.readUInt16BE(0)) resolve(answer);
    } catch (error) {
      reject(new Error(`the answer makes no sense: ${describeError(error)}`));
    }
  });
  // Connected, so that only this server is listened to and an absent one is noticed.
  socket.connect(port, host, () => socket.send(question));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

/** Over TCP each message has its length in front (RFC 1035 section 4.2.2). */
async function askTcp(
  host: string,
  port: number,
  question: Buffer,
  name: string,
  timeoutMs: number,
): Promise<SrvAnswer> {
  const socket = connect({ host, port, timeout: timeoutMs });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(question.length);
  const stop = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    socket.write(Buffer.concat([length, question]));
    let received = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        return decodeSrvAnswer(received.subarray(2, 2 + received.readUInt16BE(0)), name);
    }
    throw new Error("the answer is cut off");
  } finally {
    clearTimeout(stop);
    socket.destroy();
  }
}
