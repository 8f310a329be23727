// Building blocks of the HTML pages.
import type { AdminEndpoint, EndpointParameter } from "./endpoint.ts";

const STYLE = `
body { font-family: system-ui, sans-serif; font-size: 15px; color: #222; margin: 16px; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 4px 6px; vertical-align: top; }
tr.shade { background: #eef1f4; }
td.option { text-align: right; padding-left: 24px; }
form { margin: 0; }
button.link { all: unset; color: #0b5fa5; text-decoration: underline; cursor: pointer; }
a { color: #0b5fa5; }
`;

/** A whole page up to the content of its body. */
export function pageHead(title: string, refreshSeconds?: number): string {
  const refresh =
    refreshSeconds === undefined ? "" : `<meta http-equiv='refresh' content='${refreshSeconds}'>\n`;
  return (
    `<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n${refresh}` +
    `<title>${escapeHtml(title)}</title>\n<link rel='icon' href='data:,'>\n<style>${STYLE}</style>\n</head>\n<body>\n`
  );
}

export const PAGE_END = "</body>\n</html>\n";

/** A table of commands around `rows`. */
export function commandTable(rows: string): string {
  return `<table>\n<thead><tr><th>Command</th><th>Description</th></tr></thead>\n<tbody>\n${rows}</tbody>\n</table>\n`;
}

/** Rows of an endpoint: its link or form, and its parameters with the values they have now. */
export function endpointRows(
  endpoint: AdminEndpoint,
  shade: boolean,
  values: (name: string) => string | undefined,
): string {
  const { path, help, mutates, parameters = [] } = endpoint;
  const name = path.slice(1);
  const id = escapeHtml(name);
  const open = shade ? "<tr class='shade'>" : "<tr>";
  const command =
    mutates === true || parameters.length > 0
      ? `<form action='${id}' method='${mutates === true ? "post" : "get"}' id='${id}'>` +
        `<button${mutates === true ? "" : " class='link'"}>${id}</button></form>`
      : `<a href='${id}'>${id}</a>`;
  let rows = `${open}<td>${command}</td><td>${escapeHtml(help)}</td></tr>\n`;
  for (const parameter of parameters) {
    const field = `${id}-${parameter.name}`;
    const control = input(parameter, field, id, values(parameter.name));
    rows += `${open}<td class='option'>${control}</td><td><label for='${field}'>${escapeHtml(parameter.help)}</label></td></tr>\n`;
  }
  return rows;
}

function input(
  { name, kind, choices = [] }: EndpointParameter,
  field: string,
  form: string,
  value: string | undefined,
): string {
  const common = `name='${name}' id='${field}' form='${form}'`;
  if (kind === "flag") return `<input type='checkbox' ${common}${value === undefined ? "" : " checked"}>`;
  if (kind === "text") return `<input type='text' ${common} value='${escapeHtml(value ?? "")}'>`;
  const options = choices.map(
    (choice) => `<option value='${choice}'${choice === value ? " selected" : ""}>${choice}</option>`,
  );
  return `<select ${common}>${options.join("")}</select>`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
