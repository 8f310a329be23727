import type { z } from "zod";

/**
 * Reads a list item by item, so that one that makes no sense does not spoil the others. Throws an Error when it is no
 * list, or when no item of it makes sense.
 */
export function readItems<T>(
  schema: z.ZodType<T>,
  list: unknown,
  what: string,
  warn: (message: string) => void,
): { items: T[]; bad: number } {
  if (!Array.isArray(list)) throw new Error(`the answer for ${what} is not a list`);
  const items: T[] = [];
  let problem = "";
  for (const item of list as unknown[]) {
    const result = schema.safeParse(item);
    if (result.success) items.push(result.data);
    else {
      const { path, message } = result.error.issues[0]!;
      problem = `an entry of ${what} makes no sense: ${path.length === 0 ? "" : `${path.join(".")}: `}${message}`;
    }
  }
  const bad = list.length - items.length;
  if (bad > 0 && items.length === 0) throw new Error(problem);
  if (bad > 0) warn(problem);
  return { items, bad };
}
