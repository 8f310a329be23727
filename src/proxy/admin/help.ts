import type { AdminEndpoint, EndpointParameter } from "./endpoint.ts";

/** GET /help. */
export const help: AdminEndpoint = {
  path: "/help",
  help: "print out list of admin commands",
  handle: ({ endpoints }) => ({ body: helpText(endpoints) }),
};

/** All endpoints with their parameters, sorted by path. */
export function helpText(endpoints: readonly AdminEndpoint[]): string {
  let out = "admin commands are:\n";
  for (const { path, mutates, help: text, parameters } of endpoints) {
    out += `  ${path}${mutates === true ? " (POST)" : ""}: ${text}\n`;
    for (const parameter of parameters ?? []) out += `      ${parameter.name}: ${parameterHelp(parameter)}\n`;
  }
  return out;
}

function parameterHelp({ help: text, choices }: EndpointParameter): string {
  return choices === undefined ? text : `${text}; One of (${choices.join(", ")})`;
}
