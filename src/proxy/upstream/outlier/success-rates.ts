/** How a host answered in one interval. */
export interface HostRate {
  readonly slot: number;
  /** Percent of its requests that went well. */
  readonly rate: number;
  readonly volume: number;
}

/**
 * Below which success rate a host is an outlier among these: the mean less so many standard deviations.
 * @param factor thousandths of a standard deviation
 */
export function ejectionThreshold(
  rates: readonly HostRate[],
  factor: number,
): { mean: number; limit: number } {
  const mean = rates.reduce((sum, { rate }) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rates.length;
  return { mean, limit: mean - (factor / 1000) * Math.sqrt(variance) };
}

/** Requests of a host so far, from which those of an interval are taken. */
export class RequestSample {
  #total = 0;
  #good = 0;

  /** The requests since the last call; undefined when there were none. Counts may wrap at 2^32. */
  take(slot: number, total: number, good: number): HostRate | undefined {
    const volume = (total - this.#total) >>> 0;
    const successes = (good - this.#good) >>> 0;
    this.#total = total;
    this.#good = good;
    return volume === 0 ? undefined : { slot, rate: (successes * 100) / volume, volume };
  }
}
