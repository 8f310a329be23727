import type { Formatter, OperatorDef } from "../../proxy/api.ts";

/** An operator that takes no argument. */
export function plain(name: string, get: Formatter): OperatorDef {
  return {
    name,
    create(argument) {
      if (argument !== undefined)
        throw new Error(`Format string has invalid token: %${name}(${argument})% takes no argument`);
      return get;
    },
  };
}

/** An operator that needs an argument. */
export function withArgument(name: string, create: (argument: string) => Formatter): OperatorDef {
  return {
    name,
    create(argument) {
      if (argument === undefined || argument === "")
        throw new Error(`${name} requires a parameter, but there is none: %${name}(…)%`);
      return create(argument);
    },
  };
}

/** Text, or undefined for the empty string that stands for "unknown" in a StreamInfo. */
export function orAbsent(text: string): string | undefined {
  return text === "" ? undefined : text;
}
