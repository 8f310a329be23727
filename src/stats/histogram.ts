// Envoy's histograms (libcircllhist) keep two significant decimal digits: a value v falls into the bin
// [m, m+1) · 10^(e-1) with 10 ≤ m < 100. We keep the bins for 1 … 10^9 and one for everything below 1; negative values
// do not occur in what Envoy records.

const EXPONENTS = 9;
const BINS = 1 + EXPONENTS * 90;
/** Slots of one histogram: count, sum, bins. */
export const HISTOGRAM_SLOTS: number = 2 + BINS;

/** Counts of values in bins; see `binStart` for their bounds. */
export class Histogram {
  readonly #slots: Float64Array;
  readonly #offset: number;

  constructor(slots: Float64Array, offset: number) {
    this.#slots = slots;
    this.#offset = offset;
  }

  record(value: number): void {
    const slots = this.#slots;
    const offset = this.#offset;
    slots[offset]!++;
    slots[offset + 1]! += value;
    slots[offset + 2 + binOf(value)]!++;
  }
}

/** Index of the bin that `value` falls into. */
function binOf(value: number): number {
  if (!(value >= 1)) return 0;
  let scaled = value;
  let exponent = 0;
  while (scaled >= 10 && exponent < EXPONENTS - 1) {
    scaled /= 10;
    exponent++;
  }
  const digits = Math.min(99, Math.floor(scaled * 10 + 1e-9));
  return 1 + exponent * 90 + (digits - 10);
}

/** Lower bound of a bin. */
export function binStart(bin: number): number {
  if (bin === 0) return 0;
  const index = bin - 1;
  return (10 + (index % 90)) * 10 ** (Math.floor(index / 90) - 1);
}

/** Width of a bin. */
export function binWidth(bin: number): number {
  return bin === 0 ? 1 : 10 ** (Math.floor((bin - 1) / 90) - 1);
}

/** The summed bins of one histogram over all threads. */
export class HistogramView {
  count = 0;
  sum = 0;
  readonly bins: Float64Array = new Float64Array(BINS);

  /** Adds the slots of one thread. */
  add(slots: Float64Array, offset: number): void {
    this.count += slots[offset]!;
    this.sum += slots[offset + 1]!;
    for (let i = 0; i < BINS; i++) this.bins[i]! += slots[offset + 2 + i]!;
  }

  /** Takes the samples of an earlier view of the same histogram away. */
  subtract(earlier: HistogramView): void {
    this.count -= earlier.count;
    this.sum -= earlier.sum;
    for (let i = 0; i < BINS; i++) this.bins[i]! -= earlier.bins[i]!;
  }

  /**
   * The sample at the fraction `q` (0 to 1) of all samples, as libcircllhist estimates it: the k-th of n samples of a
   * bin lies at k / (n + 1) of its width. Samples below 1 count as 0. NaN without samples.
   */
  quantile(q: number): number {
    if (this.count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    let last = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const here = this.bins[bin]!;
      if (here === 0) continue;
      last = bin;
      seen += here;
      if (seen >= rank) return valueIn(bin, here - (seen - rank), here);
    }
    return valueIn(last, this.bins[last]!, this.bins[last]!);
  }

  /** Samples below each of some ascending bounds, counted by whole bins as Envoy's outputs do. */
  cumulative(bounds: readonly number[]): number[] {
    if (this.count === 0) return bounds.map(() => 0);
    let bin = 0;
    let total = 0;
    return bounds.map((bound) => {
      for (; bin < BINS && binStart(bin) < bound; bin++) total += this.bins[bin]!;
      return total;
    });
  }
}

function valueIn(bin: number, k: number, n: number): number {
  return bin === 0 ? 0 : Number((binStart(bin) + binWidth(bin) * (k / (n + 1))).toPrecision(16));
}
