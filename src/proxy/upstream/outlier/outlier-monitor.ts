import { HOST_FIELDS } from "../../link.ts";
import type { SharedCounts } from "../shared-counts.ts";
import type { ConsecutiveKind, OutlierSettings } from "./outlier-settings.ts";

/** Told when so many failures in a row were counted that the host may be an outlier. */
export type OnOutlier = (kind: ConsecutiveKind, slot: number) => void;

const OK = 200;
const BAD_GATEWAY = 502;
const UNAVAILABLE = 503;
const GATEWAY_TIMEOUT = 504;

/**
 * Watches how requests to one host end, in one thread. Failures in a row are counted over all threads; whether the host
 * is ejected is decided by the main thread (outlier-detector.ts).
 */
export class OutlierMonitor {
  readonly #settings: OutlierSettings;
  readonly #states: SharedCounts;
  readonly #base: number;
  readonly #slot: number;
  readonly #onOutlier: OnOutlier;

  /** @param base where the host's fields begin in `states` */
  constructor(
    settings: OutlierSettings,
    states: SharedCounts,
    base: number,
    slot: number,
    onOutlier: OnOutlier,
  ) {
    this.#settings = settings;
    this.#states = states;
    this.#base = base;
    this.#slot = slot;
    this.#onOutlier = onOutlier;
  }

  /** The host answered, or, unless local failures are split off, the client got this status for it. */
  onStatus(status: number): void {
    if (status < 500) {
      this.#states.event(this.#base + HOST_FIELDS.goodAnswers);
      this.#clear(HOST_FIELDS.consecutive5xx);
      this.#clear(HOST_FIELDS.consecutiveGatewayFailures);
      return;
    }
    this.#states.event(this.#base + HOST_FIELDS.badAnswers);
    const { consecutive5xx, consecutiveGatewayFailure } = this.#settings;
    if (status >= BAD_GATEWAY && status <= GATEWAY_TIMEOUT)
      this.#count(
        HOST_FIELDS.consecutiveGatewayFailures,
        consecutiveGatewayFailure,
        "consecutive_gateway_failure",
      );
    else this.#clear(HOST_FIELDS.consecutiveGatewayFailures);
    this.#count(HOST_FIELDS.consecutive5xx, consecutive5xx, "consecutive_5xx");
  }

  /** No answer: it could not be connected to, broke off, or took too long; the client is told `status`. */
  onLocalFailure(status: number): void {
    if (!this.#settings.split) {
      this.onStatus(status);
      return;
    }
    this.#states.event(this.#base + HOST_FIELDS.localFailures);
    const { consecutiveLocalOriginFailure } = this.#settings;
    this.#count(
      HOST_FIELDS.consecutiveLocalFailures,
      consecutiveLocalOriginFailure,
      "consecutive_local_origin_failure",
    );
  }

  /** A connection to it stands. */
  onConnected(): void {
    if (!this.#settings.split) return;
    this.#states.event(this.#base + HOST_FIELDS.localSuccesses);
    this.#clear(HOST_FIELDS.consecutiveLocalFailures);
  }

  /** A connection for bytes was asked for: with it, all is well. */
  onByteStream(outcome: "connected" | "connection-failure" | "connection-timeout"): void {
    if (outcome !== "connected")
      this.onLocalFailure(outcome === "connection-timeout" ? GATEWAY_TIMEOUT : UNAVAILABLE);
    else if (this.#settings.split) this.onConnected();
    else this.onStatus(OK);
  }

  #count(field: number, limit: number, kind: ConsecutiveKind): void {
    if (this.#states.event(this.#base + field) + 1 === limit) this.#onOutlier(kind, this.#slot);
  }

  #clear(field: number): void {
    const index = this.#base + field;
    if (this.#states.get(index) !== 0) this.#states.clear(index);
  }
}
