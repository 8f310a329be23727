import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { freePort } from "../../testing/free-port.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { startControl, type ControlPlane } from "../control.ts";
import { xdsSource } from "./xds.ts";

const log = { info() {}, warn() {} };

class OtherControl {
  readonly port: number;
  readonly #folder = tempDir("xds-source");
  #control: ControlPlane | undefined;

  static async start(t: TestContext, services: object): Promise<OtherControl> {
    const other = new OtherControl(await freePort());
    other.write(services);
    await other.start();
    t.after(() => other.stop());
    return other;
  }

  private constructor(port: number) {
    this.port = port;
  }

  async start(): Promise<void> {
    const sources = [`file:path=${this.#folder}`];
    this.#control = await startControl({ sources, xdsPort: this.port, lingerMs: 10, log });
  }

  async stop(): Promise<void> {
    await this.#control?.close();
    this.#control = undefined;
  }

  write(services: object): void {
    const file = join(this.#folder, "services.json");
    writeFileSync(`${file}.new`, JSON.stringify({ services }));
    renameSync(`${file}.new`, file);
  }
}

const at = (port: number, more: object = {}) => ({ ip: "10.0.0.1", port, ...more });

test("xdsSource.watch() follows the clusters and endpoints of another control plane", async (t) => {
  const other = await OtherControl.start(t, {
    users: { instances: [at(1, { weight: 3, zone: "a" }), at(2, { health: "draining" })] },
    orders: { instances: [at(5)] },
  });
  const source = new WatchedSource(t, xdsSource, `address=127.0.0.1:${other.port}`);
  await source.until("orders=10.0.0.1:5 users=10.0.0.1:1*3@a,10.0.0.1:2!dr");
  other.write({
    users: { instances: [at(1)] },
    orders: { instances: [at(5), at(6)] },
    more: { instances: [] },
  });
  await source.until("more= orders=10.0.0.1:5,10.0.0.1:6 users=10.0.0.1:1");

  await other.stop();
  await source.until(/^error: /);
  other.write({ users: { instances: [at(9)] }, orders: { instances: [at(5)] } });
  await other.start();
  await source.until("orders=10.0.0.1:5 users=10.0.0.1:9");
});

test("xdsSource.watch() takes service names out of cluster names, and leaves out the others", async (t) => {
  const instances = [at(1)];
  const other = await OtherControl.start(t, {
    "users.shop": { instances },
    "orders.shop": { instances },
    other: { instances },
  });
  const options = `address=127.0.0.1:${other.port},pattern=^(?<service>\\w+)\\.shop$`;
  const source = new WatchedSource(t, xdsSource, options);
  await source.until("orders=10.0.0.1:1 users=10.0.0.1:1");
});

test("xdsSource.watch() says that nobody is there, and that nobody answers", async (t) => {
  const nobody = new WatchedSource(t, xdsSource, `address=127.0.0.1:${await freePort()}`);
  await nobody.until(/^error: .*ECONNREFUSED/);
});
