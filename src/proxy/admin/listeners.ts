import { addressJson } from "./address-json.ts";
import { jsonReply, type AdminEndpoint } from "./endpoint.ts";

/** GET /listeners. */
export const listeners: AdminEndpoint = {
  path: "/listeners",
  help: "print listener info",
  parameters: [{ name: "format", kind: "choice", help: "File format to use", choices: ["text", "json"] }],
  handle: ({ host, query }) => {
    const reports = host.listeners();
    if (query.get("format") === "json") {
      return jsonReply({
        listener_statuses: reports.map(({ name, addresses }) => ({
          name,
          local_address: addressJson(addresses[0] ?? ""),
          ...(addresses.length > 1 && {
            additional_local_addresses: addresses.slice(1).map((address) => addressJson(address)),
          }),
        })),
      });
    }
    let body = "";
    for (const { name, addresses } of reports)
      for (const address of addresses) body += `${name}::${address}\n`;
    return { body };
  },
};
