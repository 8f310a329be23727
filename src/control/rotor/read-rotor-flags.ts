import {
  collectors,
  globalFlags,
  ignoredGroups,
  type RotorCollector,
  type RotorFlag,
} from "./rotor-flags.ts";

/** What a user of Rotor asks for: every flag with its value, from the command line, the environment or Rotor's defaults. */
export interface RotorFlags {
  readonly collector: RotorCollector;
  /** Value of a flag before the collector, or one of its own. */
  value(name: string): string;
  /** Whether the user gave it. */
  given(name: string): boolean;
  /** What is given and does nothing, and why. */
  readonly notes: readonly string[];
  /** Behind all flags. */
  readonly args: readonly string[];
}

/** `ROTOR_` and what of a flag's name is not a letter or digit as `_`, as Rotor named variables. */
export function rotorVariable(flag: string, collector = ""): string {
  const scope = collector === "" ? "" : `${collector}_`;
  return `ROTOR_${scope}${flag}`.replaceAll(/[^A-Za-z0-9]+/g, "_").toUpperCase();
}

/**
 * Reads `[GLOBAL FLAGS] COLLECTOR [FLAGS]` and the variables; the command line wins. Without a collector, `ROTOR_CMD`
 * names it. Throws an Error that says what is wrong and what is allowed.
 */
export function readRotorFlags(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): RotorFlags {
  const rest = [...argv];
  const values = new Map<string, string>();
  takeFlags(rest, globalFlags, values, "");
  const name = rest.shift() ?? env["ROTOR_CMD"] ?? "";
  const collector = collectors.find((each) => each.name === name);
  if (collector === undefined) {
    const names = collectors.filter(({ source }) => source !== undefined).map((each) => each.name);
    throw new Error(
      `Cannot run Rotor's collector "${name}": give one of ${names.join(", ")}, or set ROTOR_CMD to it`,
    );
  }
  if (collector.source === undefined)
    throw new Error(`Cannot run Rotor's collector "${name}": ${collector.remark.replaceAll("`", "")}`);
  takeFlags(rest, collector.flags, values, name);
  const known = new Map<string, RotorFlag>();
  for (const [scope, flags] of [
    ["", globalFlags],
    [name, collector.flags],
  ] as const) {
    for (const flag of flags) {
      known.set(flag.name, flag);
      const variable = env[rotorVariable(flag.name, scope)];
      if (!values.has(flag.name) && variable !== undefined && variable !== "")
        values.set(flag.name, variable);
    }
  }
  for (const [flag, value] of values) refuse(known.get(flag), value);
  return {
    collector,
    value: (flag) => values.get(flag) ?? known.get(flag)?.fallback ?? "",
    given: (flag) => values.has(flag),
    notes: [...notesOf(values, known), ...unknownVariables(env, known, name)],
    args: rest,
  };
}

/** Takes leading flags in Go's forms: `--name=value`, `-name value`, `--boolean`. */
function takeFlags(
  rest: string[],
  flags: readonly RotorFlag[],
  values: Map<string, string>,
  collector: string,
): void {
  while (rest[0]?.startsWith("-") === true) {
    const text = rest.shift()!;
    if (text === "--") return;
    const [, name = "", , value] = /^--?([^=]+)(=([\s\S]*))?$/.exec(text) ?? [];
    const flag = flags.find((each) => each.name === name) ?? groupFlag(name, collector);
    if (flag === undefined) {
      const where = collector === "" ? "Rotor" : `Rotor's collector "${collector}"`;
      const names = flags.map((each) => `--${each.name}`).join(", ");
      throw new Error(`Cannot use --${name}: ${where} has ${names || "no flags"}`);
    }
    if (value !== undefined) values.set(name, value);
    else if (flag.boolean === true) values.set(name, "true");
    else if (rest.length === 0) throw new Error(`Cannot use --${name}: it needs a value`);
    else values.set(name, rest.shift()!);
  }
}

function groupFlag(name: string, collector: string): RotorFlag | undefined {
  const group = collector === "" ? ignoredGroups.find(({ prefix }) => name.startsWith(prefix)) : undefined;
  return group && { name, fallback: "", fate: "ignored", becomes: group.becomes };
}

function refuse(flag: RotorFlag | undefined, value: string): void {
  if (flag?.fate !== "refused" || value === flag.fallback) return;
  throw new Error(`Cannot use Rotor's ${flag.name}: ${flag.becomes.replaceAll("`", "")}`);
}

function notesOf(values: ReadonlyMap<string, string>, known: ReadonlyMap<string, RotorFlag>): string[] {
  return [...values.keys()].flatMap((name) => {
    const flag = known.get(name) ?? groupFlag(name, "");
    if (flag?.fate !== "ignored") return [];
    return [`Rotor's ${name} does nothing here: ${flag.becomes.replaceAll("`", "")}`];
  });
}

/** Variables of Rotor that nothing reads: more often a typing error than meant. */
function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: ReadonlyMap<string, RotorFlag>,
  collector: string,
): string[] {
  const own = ["ROTOR_CMD", "ROTOR_LOCAL_CLUSTERS", "ROTOR_XDS_ADDR"];
  for (const name of known.keys()) own.push(rotorVariable(name), rotorVariable(name, collector));
  const others = collectors
    .filter(({ name }) => name !== collector)
    .map(({ name }) => rotorVariable("", name));
  return Object.keys(env)
    .filter((name) => name.startsWith("ROTOR_") && env[name] !== "" && !own.includes(name))
    .map((name) => {
      const other = others.find((prefix) => name.startsWith(prefix));
      const group = ignoredGroups.find(({ prefix }) => name.startsWith(rotorVariable(prefix)));
      const why =
        other !== undefined ? "it is of another collector" : (group?.becomes ?? "Rotor has no such flag");
      return `the variable ${name} does nothing here: ${why}`;
    });
}
