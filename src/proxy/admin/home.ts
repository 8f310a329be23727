import { HTML, type AdminEndpoint } from "./endpoint.ts";
import { commandTable, endpointRows, PAGE_END, pageHead } from "./page.ts";

/** GET /: all commands as links and forms. */
export const home: AdminEndpoint = {
  path: "/",
  help: "Admin home page",
  handle: ({ endpoints }) => {
    const shown = endpoints.filter(({ path }) => path !== "/");
    const rows = shown.map((endpoint, i) => endpointRows(endpoint, i % 2 === 1, defaultOf(endpoint)));
    return {
      contentType: HTML,
      body: pageHead("Envoy Admin") + commandTable(rows.join("\n")) + PAGE_END,
    };
  },
};

/** The first choice is what is selected, and an unset flag stays unset. */
function defaultOf({ parameters = [] }: AdminEndpoint): (name: string) => string | undefined {
  return (name) => parameters.find((parameter) => parameter.name === name)?.choices?.[0];
}
