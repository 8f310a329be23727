import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { AdminStatsJudge } from "./admin-stats-judge.ts";

/** A proxy's admin server that has counted so many requests to users@v2. */
async function startAdmin(context: TestContext, count: () => number): Promise<string> {
  const server = createServer((_request, response) =>
    response.end(`envoy_cluster_upstream_rq_completed{envoy_cluster_name="users@v2"} ${count()}\n`),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a watch that nobody answered begins when somebody does", async (t) => {
  let counted = 40;
  const admin = await startAdmin(t, () => counted);
  let admins: string[] = [];
  const watch = new AdminStatsJudge({ admins: () => admins }).watch(["users@v2"]);
  for (let i = 0; i < 2; i++) await assert.rejects(watch.read(), /no connected proxy says/);
  admins = [admin];
  assert.equal((await watch.read()).get("users@v2")?.requests, 0, "what was before does not count");
  counted = 47;
  assert.equal((await watch.read()).get("users@v2")?.requests, 7);
  admins = [];
  await assert.rejects(watch.read(), /no connected proxy says/);
  admins = [admin];
  counted = 50;
  assert.equal((await watch.read()).get("users@v2")?.requests, 10);
});

test("a proxy that began anew keeps what it had counted", async (t) => {
  let counted = 40;
  const admin = await startAdmin(t, () => counted);
  const watch = new AdminStatsJudge({ admins: () => [admin] }).watch(["users@v2"]);
  await watch.read();
  counted = 45;
  await watch.read();
  counted = 2;
  assert.equal((await watch.read()).get("users@v2")?.requests, 7);
});
