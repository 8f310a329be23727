/** The lines of `after` that are not in `before` with a +, the other way round with a -, and some around them as they are. */
export function lineDiff(before: string, after: string, context = 2): string[] {
  const [a, b] = [before, after].map((text) => (text === "" ? [] : text.trimEnd().split("\n"))) as [
    string[],
    string[],
  ];
  const all = mark(a, b);
  const near = (i: number) =>
    all.slice(Math.max(0, i - context), i + context + 1).some((line) => !line.startsWith(" "));
  const shown: string[] = [];
  all.forEach((line, i) => {
    if (near(i)) shown.push(line);
    else if (shown.length > 0 && shown.at(-1) !== "  …") shown.push("  …");
  });
  return shown.at(-1) === "  …" ? shown.slice(0, -1) : shown;
}

/** By the longest common subsequence. */
function mark(a: readonly string[], b: readonly string[]): string[] {
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1]! + 1
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!);
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i]}`);
      i++;
      j++;
    } else if (
      j >= b.length ||
      (i < a.length && longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!)
    )
      lines.push(`- ${a[i++]}`);
    else lines.push(`+ ${b[j++]}`);
  }
  return lines;
}
