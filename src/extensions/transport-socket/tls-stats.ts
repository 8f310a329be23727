import type { Counter, StatScope } from "../../stats/stat-store.ts";
import type { PeerProblem } from "../../net/tls/check-peer.ts";
import type { TlsInfo } from "../../net/tls/tls-info.ts";
import { certificatesIn } from "./pem.ts";
import type { TlsMaterial } from "./tls-secrets.ts";

/** "unnamed_cert_" and the like are followed by the start of the SHA-256 of an empty name. */
const UNNAMED = "e3b0c442";

/** Why a connection without a secret fails, as logs have it. */
export const NO_SECRET = "TLS_error:_Secret_is_not_supplied_by_SDS";

const COUNTERS = [
  "connection_error", "fail_verify_cert_hash", "fail_verify_error", "fail_verify_no_cert", "fail_verify_san", "handshake",
  "no_certificate", "ocsp_staple_failed", "ocsp_staple_omitted", "ocsp_staple_requests", "ocsp_staple_responses",
  "session_reused",
] as const; // prettier-ignore

/** "<scope>ssl.*": how handshakes went. */
export class TlsStats {
  readonly connectionError: Counter;
  readonly failVerifyNoCert: Counter;
  readonly #handshake: Counter;
  readonly #noCertificate: Counter;
  readonly #sessionReused: Counter;
  readonly #problems: Record<PeerProblem["stat"], Counter>;
  readonly #scope: StatScope;
  readonly #named = new Map<string, Counter>();
  readonly #updatedBySds: Counter;
  readonly #notReady: Readonly<Record<"downstream" | "upstream", Counter>>;

  /** @param socketFactory "server_ssl_socket_factory" or "client_ssl_socket_factory" */
  constructor(scope: StatScope, socketFactory: string) {
    this.#scope = scope.scope("ssl.");
    for (const name of COUNTERS) this.#scope.counter(name);
    this.connectionError = this.#scope.counter("connection_error");
    this.failVerifyNoCert = this.#scope.counter("fail_verify_no_cert");
    this.#handshake = this.#scope.counter("handshake");
    this.#noCertificate = this.#scope.counter("no_certificate");
    this.#sessionReused = this.#scope.counter("session_reused");
    this.#problems = {
      fail_verify_error: this.#scope.counter("fail_verify_error"),
      fail_verify_san: this.#scope.counter("fail_verify_san"),
      fail_verify_cert_hash: this.#scope.counter("fail_verify_cert_hash"),
    };
    const factory = scope.scope(`${socketFactory}.`);
    this.#notReady = {
      downstream: factory.counter("downstream_context_secrets_not_ready"),
      upstream: factory.counter("upstream_context_secrets_not_ready"),
    };
    this.#updatedBySds = factory.counter("ssl_context_update_by_sds");
  }

  /** A connection had to be closed because a secret has not come. */
  secretsNotReady(side: "downstream" | "upstream"): void {
    this.#notReady[side].inc();
  }

  refused(problem: PeerProblem): void {
    this.#problems[problem.stat].inc();
  }

  /** @param curve group of the key exchange; "" if unknown */
  handshaken(tls: TlsInfo, curve: string): void {
    this.#handshake.inc();
    this.#count(`versions.${tls.version}`);
    this.#count(`ciphers.${tls.cipher}`);
    if (curve !== "") this.#count(`curves.${curve}`);
    if (tls.reused) this.#sessionReused.inc();
    if (tls.peer === undefined) this.#noCertificate.inc();
  }

  /** New certificates are in use; the first call is for those from the start. */
  material({ keyPairs, validation }: TlsMaterial, first: boolean, reports: boolean): void {
    if (!first) this.#updatedBySds.inc();
    if (!reports) return;
    for (const { name, leaf } of keyPairs) this.#expires("cert", name, leaf.validToDate);
    const trusted = validation?.trustedCa;
    if (trusted === undefined) return;
    const dates = certificatesIn(trusted.bytes).map((certificate) => certificate.validToDate.getTime());
    this.#expires("ca_cert", validation!.name, new Date(Math.min(...dates)));
  }

  #expires(kind: string, name: string, at: Date): void {
    const label = name === "" ? `unnamed_${kind}_${UNNAMED}` : name;
    this.#scope
      .gauge(`certificate.${label}.expiration_unix_time_seconds`)
      .set(Math.floor(at.getTime() / 1000));
  }

  #count(name: string): void {
    let counter = this.#named.get(name);
    if (counter === undefined) this.#named.set(name, (counter = this.#scope.counter(name)));
    counter.inc();
  }
}
