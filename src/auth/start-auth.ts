import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import type { Logger } from "pino";
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { listenError } from "../base/listen-error.ts";
import { withDefaults } from "../base/with-defaults.ts";
import { createAdminServer } from "./admin-server.ts";
import { createCheckServer } from "./check-server.ts";
import { createGrpcCheckServer } from "./grpc-check-server.ts";
import type { JwtVerifier } from "./jwt-verifier.ts";
import { authMetrics } from "./metrics.ts";
import type { CheckCounts } from "./metrics.ts";
import { authDefaults } from "./options.ts";
import type { AuthOptions, JwtOptions } from "./options.ts";
import { defaultPolicy } from "./policy.ts";
import type { PolicyFile } from "./policy-file.ts";
import { prepareTokenFile } from "./token-file.ts";
import { TokenIndex } from "./token-index.ts";
import { TokenReader } from "./token-reader.ts";

export interface RunningAuth {
  /** Where proxies ask. */
  readonly url: string;
  /** Where proxies ask over gRPC, "host:port". */
  readonly grpcAddress: string;
  /** Where health and metrics are. */
  readonly adminUrl: string;
  /** Answers what is in flight, then ends. */
  close(): Promise<void>;
}

/** How long checks in flight may take when the service ends, in milliseconds. */
const DRAIN = 1000;

/** Starts the auth service; it accepts checks once the tokens are known. Throws an Error that says what to do. */
export async function startAuth(given: AuthOptions): Promise<RunningAuth> {
  const options = withDefaults(given, authDefaults);
  const log = options.log ?? pino({ name: "auth", level: options.logLevel });
  const clock = options.clock ?? systemClock;
  const stops: (() => unknown)[] = [];
  const stop = async () => {
    for (const one of stops.toReversed()) await one();
  };
  try {
    prepareTokenFile(options.path);
    const tokens = new TokenIndex();
    const reader = new TokenReader(options.path, tokens, clock, log);
    stops.push(() => reader.stop());
    const [policyFile, jwt] = await Promise.all([
      openPolicy(options.policyPath, clock, log),
      startJwt(options.jwt, clock, log),
      reader.start(),
    ]);
    stops.push(
      () => policyFile?.stop(),
      () => jwt?.keys.stop(),
    );
    const counts: CheckCounts = { allowed: 0, missing: 0, invalid: 0, forbidden: 0, unavailable: 0 };
    const authority = { tokens, jwt, clock, policy: () => policyFile?.policy ?? defaultPolicy };
    const { host, pathPrefix, realm, traceSampled } = options;
    const answers = { realm, traceSampled, counts, log };
    let ready = false;
    const check = createCheckServer(authority, { ...answers, pathPrefix });
    const grpc = createGrpcCheckServer(authority, answers);
    const admin = createAdminServer(authMetrics({ counts, tokens, reader, jwt, policyFile }), {
      isReady: () => ready,
      restartReader: () => reader.kill(),
    });
    const url = await listen(check, host, options.port);
    stops.push(() => closeServer(check));
    const grpcAddress = `${bracketed(host)}:${await grpc.listen(host, options.grpcPort)}`;
    stops.push(() => grpc.drain(0, DRAIN));
    const adminUrl = await listen(admin, host, options.adminPort);
    stops.push(
      () => closeServer(admin),
      () => (ready = false),
    );
    ready = true;
    log.info(
      {
        url,
        grpcAddress,
        adminUrl,
        tokens: tokens.size,
        jwt: options.jwt?.issuer,
        policy: options.policyPath,
      },
      "auth is ready",
    );
    let closing: Promise<void> | undefined;
    return { url, grpcAddress, adminUrl, close: () => (closing ??= stop()) };
  } catch (error) {
    await stop();
    throw error;
  }
}

// What is not configured is not loaded: YAML and jose would double the time to start.

async function openPolicy(
  path: string | undefined,
  clock: Clock,
  log: Logger,
): Promise<PolicyFile | undefined> {
  if (path === undefined) return undefined;
  const { PolicyFile } = await import("./policy-file.ts");
  return new PolicyFile(path, clock, log);
}

async function startJwt(
  options: JwtOptions | undefined,
  clock: Clock,
  log: Logger,
): Promise<JwtVerifier | undefined> {
  if (options === undefined) return undefined;
  const { JwtVerifier } = await import("./jwt-verifier.ts");
  const verifier = new JwtVerifier(options, clock, log);
  await verifier.keys.start();
  return verifier;
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  const shown = bracketed(host);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(host, port, error)));
    server.listen(port, host, resolve);
  });
  return `http://${shown}:${(server.address() as AddressInfo).port}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const insist = setTimeout(() => server.closeAllConnections(), DRAIN);
  await closed;
  clearTimeout(insist);
}
