import { KeptCase } from "../header-case.ts";
import type { FieldScanner } from "./field-scanner.ts";
import type { CaseOptions } from "./options.ts";

/** The names of a scanned section as they were written; `original` is its text from the scan's base on, before the scan. */
export function keepCase(scanner: FieldScanner, original: string, options: CaseOptions): KeptCase {
  const kept = new KeptCase(options.addedCase);
  for (let i = 0; i < scanner.fields.count; i++) kept.keep(scanner.name(i, original));
  return kept;
}
