import { z } from "zod";

/** Text where `<x*1000>` stands for a thousand `x`. */
export const longText = z.string().transform((text) => {
  return text.replaceAll(/<(.)\*(\d+)>/g, (_all, char: string, count: string) => char.repeat(Number(count)));
});
