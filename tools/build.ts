// Compiles src/ to dist/ and puts the files beside it that are read at run time. Usage: npm run build
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

rmSync(join(root, "dist"), { recursive: true, force: true });
execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
cpSync(join(root, "src/proto/envoy.binpb"), join(root, "dist/proto/envoy.binpb"));
