import { connect, createServer, type AddressInfo } from "node:net";
import { etcdSource } from "../../src/control/sources/etcd.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { RealEtcd } from "../../src/testing/real-etcd.ts";
import { WatchedSource } from "../../src/testing/watched-source.ts";

const at = (port: number) => ({ ip: "10.0.0.1", port });

peerTest(
  "etcdSource.watch() follows a real etcd: changes, leases, restart, compaction",
  ["etcd"],
  async (t) => {
    const etcd = await RealEtcd.start(t);
    await etcd.put("/services/users/a", at(1));
    await etcd.put("/servicesx/users/a", at(9));
    const source = new WatchedSource(t, etcdSource, `urls=${etcd.url}`);
    await source.until("users=10.0.0.1:1");
    await etcd.put("/services/users/b", { ...at(2), weight: 3, zone: "z" });
    await source.until("users=10.0.0.1:1,10.0.0.1:2*3@z");
    await etcd.put("/services/orders", { instances: [at(5), at(6)] });
    await source.until("orders=10.0.0.1:5,10.0.0.1:6 users=10.0.0.1:1,10.0.0.1:2*3@z");

    // Nonsense in place of a good value takes nothing away.
    await etcd.put("/services/users/b", "{oops");
    await source.until("orders=10.0.0.1:5,10.0.0.1:6 users=10.0.0.1:1,10.0.0.1:2*3@z?+1");
    await etcd.delete("/services/users/b");
    await source.until("orders=10.0.0.1:5,10.0.0.1:6 users=10.0.0.1:1");
    await etcd.put("/services/orders", { instances: [] });
    await source.until("orders= users=10.0.0.1:1");

    // A lease that goes is no stated reason; a deletion is.
    const { ID: lease } = (await etcd.post("/v3/lease/grant", { TTL: "60" })) as { ID: string };
    await etcd.put("/services/users/c", at(3), lease);
    await source.until("orders= users=10.0.0.1:1,10.0.0.1:3");
    await etcd.post("/v3/lease/revoke", { ID: lease });
    await source.until("orders= users=10.0.0.1:1?");
    await etcd.put("/services/users/c", at(3));
    await source.until("orders= users=10.0.0.1:1,10.0.0.1:3");
    await etcd.delete("/services/users/c");
    await etcd.delete("/services/users/a");
    await source.until("orders= users=");

    // A restart is an error, and the watch goes on where it was.
    await etcd.stop();
    await source.until(/^error: /);
    await etcd.start();
    await etcd.put("/services/users/d", at(4));
    await source.until("orders= users=10.0.0.1:4");
  },
);

peerTest("etcdSource.watch() reads everything anew when its revision was compacted", ["etcd"], async (t) => {
  const etcd = await RealEtcd.start(t);
  for (const name of ["a", "b"]) await etcd.put(`/services/users/${name}`, at(name === "a" ? 1 : 2));
  // A relay that can be cut, so that etcd changes while nobody looks.
  const port = Number(new URL(etcd.url).port);
  const relay = createServer((socket) => {
    const other = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
    sockets.add(socket);
  });
  const sockets = new Set<{ destroy(): void }>();
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  t.after(() => relay.close());
  const { port: own } = relay.address() as AddressInfo;
  const source = new WatchedSource(t, etcdSource, `urls=http://127.0.0.1:${own}`);
  await source.until("users=10.0.0.1:1,10.0.0.1:2");
  await source.nextText();
  relay.close();
  for (const socket of sockets) socket.destroy();
  await source.until(/^error: /);
  await etcd.delete("/services/users/a");
  const { header } = await etcd.put("/services/users/c", at(3));
  await etcd.post("/v3/kv/compaction", { revision: header.revision, physical: true });
  await new Promise<void>((resolve) => relay.listen(own, "127.0.0.1", resolve));
  await source.until("users=10.0.0.1:2,10.0.0.1:3?");
  await etcd.put("/services/users/e", at(5));
  await source.until("users=10.0.0.1:2,10.0.0.1:3,10.0.0.1:5?");

  // Its data is lost: what is missing then was taken away by nobody.
  await etcd.stop();
  await source.until(/^error: /);
  etcd.wipe();
  await etcd.start();
  await source.until("users=?");
  await etcd.put("/services/users/e", at(6));
  await source.until("users=10.0.0.1:6?");
});
