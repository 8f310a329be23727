// Cost of finding the last route of a table, by the size of the table: `node bench/router/match.ts`.
import { compileRouteList, requestHead } from "../../src/testing/compile-routes.ts";
import { StreamInfo } from "../../src/proxy/stream-info.ts";
import type { RouteTable } from "../../src/proxy/route/route-table.ts";

const ROUNDS = 7;
const CALLS = 400_000;
const SIZES = [1, 10, 100, 1_000, 10_000];
const info = new StreamInfo();

const KINDS: Record<string, (n: number) => object> = {
  prefix: (n) => ({ prefix: `/service/${n}/` }),
  path: (n) => ({ path: `/service/${n}/x` }),
  separated: (n) => ({ path_separated_prefix: `/service/${n}` }),
  regex: (n) => ({ safe_regex: { regex: `/service/${n}/[a-z]+` } }),
};

for (const [kind, match] of Object.entries(KINDS)) {
  const tables = SIZES.map((size) => {
    const routes = Array.from({ length: size }, (_, n) => ({
      match: match(100_000 + n),
      route: { cluster: "c" },
    }));
    const start = performance.now();
    const table = compileRouteList(routes as never);
    return { size, table, buildMs: performance.now() - start };
  });
  const best = tables.map(() => Infinity);
  for (let round = 0; round < ROUNDS; round++)
    tables.forEach(({ table, size }, i) => (best[i] = Math.min(best[i]!, time(table, 100_000 + size - 1))));
  const base = best[1]!;
  for (const [i, { size, buildMs }] of tables.entries()) {
    const nanos = best[i]!.toFixed(0).padStart(5);
    const ratio = (best[i]! / base).toFixed(2);
    console.log(
      `${kind.padEnd(10)} last of ${String(size).padStart(6)}: ${nanos} ns  ${ratio}x of 10  built in ${buildMs.toFixed(1)} ms`,
    );
  }
}

/** Nanoseconds per match. */
function time(table: RouteTable, n: number): number {
  const head = requestHead(`/service/${n}/x?q=1`);
  let found = 0;
  const start = performance.now();
  for (let i = 0; i < CALLS; i++) if (table.match(head, info, 0.5) !== undefined) found++;
  if (found !== CALLS) throw new Error("A route was not found");
  return ((performance.now() - start) * 1e6) / CALLS;
}
