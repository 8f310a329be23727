import type { Counter, StatScope } from "../../stats/stat-store.ts";

/** The router's counters under "http.<prefix>." */
export class RouterStats {
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly redirect: Counter;
  readonly directResponse: Counter;
  readonly total: Counter;
  readonly resetAfterResponseStarted: Counter;
  readonly overloadLocalReply: Counter;

  constructor(scope: StatScope) {
    this.noRoute = scope.counter("no_route");
    this.noCluster = scope.counter("no_cluster");
    this.redirect = scope.counter("rq_redirect");
    this.directResponse = scope.counter("rq_direct_response");
    this.total = scope.counter("rq_total");
    this.resetAfterResponseStarted = scope.counter("rq_reset_after_downstream_response_started");
    this.overloadLocalReply = scope.counter("rq_overload_local_reply");
  }
}
