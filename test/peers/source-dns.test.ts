import { dnsSource } from "../../src/control/sources/dns.ts";
import { freePort } from "../../src/testing/free-port.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import { WatchedSource } from "../../src/testing/watched-source.ts";

peerTest("dnsSource.watch() asks a real dnsmasq for A, AAAA and SRV records", ["dnsmasq"], async (t) => {
  const port = await freePort();
  const start = (...records: string[]) => {
    const fixed = [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--pid-file=",
    ];
    const place = [`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/"];
    const user = process.getuid?.() === 0 ? ["--user=root"] : [];
    const dnsmasq = new ManagedProcess(findPeer("dnsmasq")!, [...fixed, ...place, ...user, ...records]);
    t.after(() => dnsmasq.stop());
    return dnsmasq;
  };
  // A whole cluster of targets: too long for one UDP answer.
  const many = Array.from({ length: 40 }, (_, i) => [
    `--host-record=host-number-${i}.users.test,10.0.1.${i}`,
    `--srv-host=_many._tcp.users.test,host-number-${i}.users.test,80,1,1`,
  ]).flat();
  const first = start(
    "--host-record=users.test,10.0.0.1,fd00::1",
    "--host-record=a.users.test,10.0.0.2",
    "--host-record=b.users.test,10.0.0.3",
    "--srv-host=_http._tcp.users.test,a.users.test,8080,1,5",
    "--srv-host=_http._tcp.users.test,b.users.test,8081,2,5",
    ...many,
  );
  const names = "names=plain=users.test.:80,srv=_http._tcp.users.test,many=_many._tcp.users.test";
  const source = new WatchedSource(
    t,
    dnsSource,
    `${names},servers=127.0.0.1:${port},max_ttl=50ms,min_ttl=50ms,timeout=300ms`,
  );
  await source.until(
    /^many=10\.0\.1\.0:80,(10\.0\.1\.\d+:80,?){39}\? plain=10\.0\.0\.1:80,fd00::1:80\? srv=10\.0\.0\.2:8080\*5\?$/,
  );
  await first.stop();
  await source.until(/^error: /);
  const second = start(
    "--host-record=users.test,10.0.0.9",
    "--host-record=b.users.test,10.0.0.3",
    ...many.slice(0, 2),
  );
  await source.until(/^many=10\.0\.1\.0:80\? plain=10\.0\.0\.9:80\? srv=\?$/);
  await second.stop();
});
