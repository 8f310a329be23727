import type { AdminHost } from "./admin-host.ts";
import type { AdminEndpoint } from "./endpoint.ts";
import type { AdminQuery } from "./admin-query.ts";

const LEVELS = ["", "trace", "debug", "info", "warning", "error", "critical", "off"];

const USAGE =
  "\nusage: /logging?<name>=<level> (change single level)\n" +
  "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n" +
  "usage: /logging?level=<level> (change all levels)\n" +
  "usage: /logging?group=<group_name>:<level> (change group of loggers)\n" +
  `levels: ${LEVELS.slice(1).join(" ")} \n`;

/** POST /logging. */
export const logging: AdminEndpoint = {
  path: "/logging",
  help: "query/change logging levels",
  mutates: true,
  parameters: [
    {
      name: "paths",
      kind: "text",
      help:
        "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. " +
        "If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, " +
        "source/common*:warning",
    },
    {
      name: "group",
      kind: "text",
      help:
        "Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name " +
        "must be a logger name.",
    },
    {
      name: "level",
      kind: "choice",
      help: "desired logging level, this will change all loggers's level",
      choices: LEVELS,
    },
  ],
  handle: ({ host, query }) => {
    const problem = change(host, query);
    let body = problem === undefined ? "" : `error: ${problem}\n${USAGE}`;
    body += "active loggers:\n";
    for (const [name, level] of host.logLevels()) body += `  ${name}: ${level}\n`;
    return { status: problem === undefined ? 200 : 400, body: `${body}\n` };
  },
};

/** Returns what is wrong; nothing is changed then. */
function change(host: AdminHost, query: AdminQuery): string | undefined {
  const given = query.entries.filter(([, value]) => value !== "");
  if (given.length > 1) return "invalid number of parameters";
  if (given.length === 0) return undefined;
  const [key, value] = given[0]!;
  if (key === "group") return "group parameter requires fine-grain logging to be enabled";
  if (key === "level") {
    if (!LEVELS.includes(value)) return "unknown logger level";
    host.setLogLevel(undefined, value);
    return undefined;
  }
  const changes = key === "paths" ? value.split(",").map((part) => part.split(":")) : [[key, value]];
  const known = host.logLevels();
  for (const [name = "", level = ""] of changes) {
    if (name === "" || level === "") return "empty logger name or empty logger level";
    if (!LEVELS.includes(level)) return "unknown logger level";
    if (!known.has(name)) return "unknown logger name";
  }
  for (const [name, level] of changes) host.setLogLevel(name, level!);
  return undefined;
}
