/** placeholder */
export class ClusterStatsCache {
  readonly dynamic: boolean;
  constructor(dynamic: boolean) {
    this.dynamic = dynamic;
  }
}
