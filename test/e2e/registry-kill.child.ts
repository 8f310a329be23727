import { startRegistry } from "../../src/registry/start-registry.ts";

// The registry that registry-kill.test.ts kills: its store is the first argument; it prints its address.
const registry = await startRegistry({ path: process.argv[2]!, port: 0, logLevel: "silent" });
console.log(registry.url);
