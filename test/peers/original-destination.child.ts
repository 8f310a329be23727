// Runs in a network namespace of its own. Usage: envoy|weft. Redirects connections to a proxy by iptables, and prints
// as JSON what clients got and what the proxy logged.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { startProxy, type ProxyKind } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const kind = process.argv[2] as ProxyKind;
const log = join(tempDir("original-destination"), "access.log");
const FILTERS = "type.googleapis.com/envoy.extensions.filters";
/** Only connections from these addresses are redirected: the proxy's own are not. */
const CLIENT = { redirect: "10.9.9.1", tproxy: "10.9.9.2", ipv6: "fd00:9::1" };

const run = (command: string): void =>
  void execFileSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"] });

run(`ip link set lo up; ip -6 addr add fd00:9::1/128 dev lo nodad; ip -6 addr add fd00:9::9/128 dev lo nodad
for last in 1 2 8 9; do ip addr add 10.9.9.$last/32 dev lo; done
iptables -t nat -A OUTPUT -p tcp -s ${CLIENT.redirect} -j REDIRECT --to-ports 15001
ip6tables -t nat -A OUTPUT -p tcp -s ${CLIENT.ipv6} -j REDIRECT --to-ports 15001
ip rule add fwmark 1 lookup 100; ip route add local 0.0.0.0/0 dev lo table 100
iptables -t mangle -A PREROUTING -p tcp -s ${CLIENT.tproxy} -j TPROXY --on-port 15002 --tproxy-mark 1`);

await serve("10.9.9.9", 8080, "the host on 8080");
await serve("10.9.9.9", 8081, "the host on 8081");
await serve("10.9.9.8", 9090, "never asked: a listener has this address");
await serve("127.0.0.1", 7070, "the host of the listener");
await serve("fd00:9::9", 8080, "the host on IPv6");

const proxy = await startProxy(kind, {
  node: { id: "n", cluster: "c" },
  admin: { address: at("127.0.0.1", 0) },
  static_resources: {
    listeners: [
      listener("redirected", "::", 15001, "original", { use_original_dst: true }),
      listener("transparent", "0.0.0.0", 15002, "original", { transparent: true, ...withOriginalDst() }),
      listener("unbound", "10.9.9.8", 9090, "fixed", { bind_to_port: false }),
      listener("any-address", "0.0.0.0", 9191, "fixed", { bind_to_port: false }),
    ],
    clusters: [
      { name: "original", type: "ORIGINAL_DST", lb_policy: "CLUSTER_PROVIDED", connect_timeout: "1s" },
      {
        name: "fixed",
        connect_timeout: "1s",
        load_assignment: {
          cluster_name: "fixed",
          endpoints: [{ lb_endpoints: [{ endpoint: { address: at("127.0.0.1", 7070) } }] }],
        },
      },
    ],
  },
});
const answers: Record<string, string> = {
  "REDIRECT 8080": await ask(CLIENT.redirect, "10.9.9.9", 8080),
  "REDIRECT 8081": await ask(CLIENT.redirect, "10.9.9.9", 8081),
  "REDIRECT, nobody listens": await ask(CLIENT.redirect, "10.9.9.9", 1),
  "REDIRECT to a listener": await ask(CLIENT.redirect, "10.9.9.8", 9090),
  "REDIRECT to a listener on all addresses": await ask(CLIENT.redirect, "10.9.9.9", 9191),
  TPROXY: await ask(CLIENT.tproxy, "10.9.9.9", 8080),
  "IPv6 REDIRECT": await ask(CLIENT.ipv6, "fd00:9::9", 8080),
};
const lines = await waitUntil("the log has a line per connection", () => {
  // The file is there from the first line on.
  if (!existsSync(log)) return false;
  const found = readFileSync(log, "utf8").trim().split("\n");
  return found.length >= 7 && found.sort();
});
const stats = [...(await proxy.stats("downstream_cx_total"))].filter(
  ([name]) =>
    /^listener\.(redirected|transparent|unbound|any-address)\./.test(name) && !name.includes("worker"),
);
await proxy.stop();
console.log(JSON.stringify({ answers, lines, stats }, null, 1));
process.exit(0);

function at(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}

function withOriginalDst(): object {
  const typed_config = { "@type": `${FILTERS}.listener.original_dst.v3.OriginalDst` };
  return { listener_filters: [{ name: "original_dst", typed_config }] };
}

function listener(name: string, ip: string, port: number, cluster: string, more: object): object {
  const socket_address = { address: ip, port_value: port, ...(ip === "::" && { ipv4_compat: true }) };
  const text = `${name}: %DOWNSTREAM_LOCAL_ADDRESS% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %RESPONSE_FLAGS%\n`;
  const file = {
    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
    path: log,
    log_format: { text_format_source: { inline_string: text } },
  };
  const typed_config = {
    "@type": `${FILTERS}.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: name,
    cluster,
    access_log: [{ name: "file", typed_config: file }],
  };
  const filter_chains = [{ filters: [{ name: "tcp", typed_config }] }];
  return { name, stat_prefix: name, address: { socket_address }, filter_chains, ...more };
}

async function serve(host: string, port: number, answer: string): Promise<Server> {
  const server = createServer((socket) => socket.on("error", () => {}).end(answer));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, resolve);
  });
  return server;
}

/** All that comes, or the error. */
function ask(localAddress: string, host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ localAddress, host, port });
    socket.setTimeout(3000, () => socket.destroy(new Error("timeout")));
    socket.on("data", (bytes: Buffer) => (text += bytes.toString()));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(`${text}${error.code ?? error.message}`));
    socket.on("close", () => resolve(text));
  });
}
