import type { TimerWheel } from "../../../base/timer-wheel.ts";
import type { Clock } from "../../../base/clock.ts";
import type { NetContext } from "../../../net/net-context.ts";
import type { PoolCallbacks, PoolRequest } from "../../api.ts";
import type { Breakers } from "../breakers.ts";
import type { ClusterStats } from "../cluster-stats.ts";

/** What the pools of one cluster share. */
export interface PoolContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly net: NetContext;
  readonly stats: ClusterStats;
  readonly breakers: Breakers;
}

/** Connections to one host for one routing priority. */
export interface Pool {
  /** Asks for a stream; the answer may come before the call returns. */
  openStream(callbacks: PoolCallbacks): PoolRequest;
  /** Lets what is in flight or waits finish, and keeps nothing open. */
  drain(): void;
}
