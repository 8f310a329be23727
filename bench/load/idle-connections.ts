import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export type IdleKind = "plain" | "tls" | "h2";

const H1_REQUEST = Buffer.from("GET / HTTP/1.1\r\nhost: idle.test\r\n\r\n");
const SETTINGS_ACK = Buffer.from("000000040100000000", "hex");
// Preface, empty SETTINGS, and a GET of "/" from the static table with an authority (RFC 7541 appendix A).
const H2_REQUEST = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
  Buffer.from("00000e010500000001", "hex"),
  Buffer.from("8286844109", "hex"),
  Buffer.from("idle.test"),
]);

/** Opens connections that make one request each and then stay. Returns what closes them. */
export async function openIdleConnections(port: number, kind: IdleKind, count: number): Promise<() => void> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) sockets.push(await openOne(port, kind));
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

function openOne(port: number, kind: IdleKind): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { port, host: "127.0.0.1" };
    const socket = kind === "tls" ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
    socket.once(kind === "tls" ? "secureConnect" : "connect", () =>
      socket.write(kind === "h2" ? H2_REQUEST : H1_REQUEST),
    );
    let answer = "";
    socket.on("data", (bytes: Buffer) => {
      answer += bytes.toString("latin1");
      if (!answer.includes("hello, mesh\n")) return;
      if (kind === "h2") socket.write(SETTINGS_ACK);
      socket.removeAllListeners("data").on("data", () => {});
      resolve(socket);
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("The proxy closed an idle connection")));
  });
}
