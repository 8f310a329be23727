// Our control plane over a source in this process. Usage: node weft-server.ts SERVICES; prints its port; each line on stdin
// changes one endpoint of one service.
import { createInterface } from "node:readline";
import { startControl } from "../../src/control/control.ts";
import type { Endpoint, ServiceReading } from "../../src/control/model.ts";
import type { DiscoverySourceDef } from "../../src/control/catalog/source.ts";
import { ENDPOINTS_PER_SERVICE, serviceName } from "./mesh-size.ts";

const services = Number(process.argv[2]);
const readings = new Map<string, ServiceReading>();
for (let i = 0; i < services; i++) readings.set(serviceName(i), reading(i, 0));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const source: DiscoverySourceDef = {
  name: "bench",
  description: "a source in this process",
  options: {},
  async *watch() {
    for (let version = 1; ; version++) {
      yield { kind: "ok", services: new Map(readings) };
      if ((await lines.next()).done) process.exit();
      const changed = Math.trunc(services / 2);
      readings.set(serviceName(changed), reading(changed, version));
    }
  },
};

const control = await startControl({
  sources: ["bench:"],
  shipped: [source],
  log: { info() {}, warn: (text) => console.error(text) },
});
console.log(control.xdsPort);

function reading(i: number, shift: number): ServiceReading {
  const endpoints: Endpoint[] = Array.from({ length: ENDPOINTS_PER_SERVICE }, (_, k) => ({
    ip: `10.${Math.trunc(i / 250)}.${i % 250}.${k + 1}`,
    port: 8000 + k + (k === 0 ? 1000 + shift : 0),
    weight: 1,
    region: "",
    zone: "a",
    version: "",
    health: "healthy",
    metadata: {},
  }));
  return { endpoints, confirmed: true };
}
