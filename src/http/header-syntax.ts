const NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]+$/;
// oxlint-disable-next-line no-control-regex
const BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Whether a text can be a header's name, in lower case (RFC 9110 section 5.1). */
export function isHeaderName(text: string): boolean {
  return NAME.test(text);
}

/** Whether a latin1 text can be a header's value (RFC 9110 section 5.5). */
export function isHeaderValue(text: string): boolean {
  return !BAD_VALUE.test(text);
}
