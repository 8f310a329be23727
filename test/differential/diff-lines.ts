/** A line-by-line difference with the kept lines around it: `-` is only in `a`, `+` only in `b`. Empty when equal. */
export function diffLines(a: readonly string[], b: readonly string[]): string[] {
  const lengths = commonLengths(a, b);
  const out: string[] = [];
  let i = 0;
  let j = 0;
  let differs = false;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push(`  ${a[i]}`);
      i++;
      j++;
      continue;
    }
    differs = true;
    if (j >= b.length || (i < a.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!))
      out.push(`- ${a[i++]}`);
    else out.push(`+ ${b[j++]}`);
  }
  return differs ? out : [];
}

/** Length of the longest common subsequence of the rests `a[i..]` and `b[j..]`. */
function commonLengths(a: readonly string[], b: readonly string[]): number[][] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        a[i] === b[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  return lengths;
}
