// How the fields of a head lie in an Int32Array. The scanner of HTTP/1.1 heads fills such a table and a HeaderMap takes it
// over as it is: nothing is copied between them.

/** Numbers per field: four offsets into the head's text, the name's beginning first, and a tag that holds id and state. */
export const FIELD_WIDTH = 5;
export const NAME_END = 1;
export const VALUE_START = 2;
export const VALUE_END = 3;
export const TAG = 4;

/** The part of a tag that is the HeaderId. */
export const ID_MASK = 0xff;
/** The part of a tag that says how the field is held. */
export const STATE_MASK = 0x700;
export const REMOVED = 0;
/** A `name: value CRLF` line of the text, byte for byte as it would be written: runs of such lines are copied as one slice. */
export const LINE = 0x100;
/** In the text, but not in the form it would be written (odd white space). */
export const LOOSE = 0x200;
/** The value is a string of its own, and so is a name that is not well known. */
export const OWNED = 0x300;
/** A HeaderLine of a well-known name. */
export const READY = 0x400;
/** The value holds line folds or stray CRs, which are to be taken out. */
export const ODD = 0x800;

const FIRST_CAPACITY = 32;

/** Fields in the order in which they came. */
export class FieldTable {
  ints = new Int32Array(FIELD_WIDTH * FIRST_CAPACITY);
  count = 0;

  append(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, tag: number): void {
    const o = this.count++ * FIELD_WIDTH;
    if (o === this.ints.length) this.ints = enlarged(this.ints);
    const ints = this.ints;
    ints[o] = nameStart;
    ints[o + NAME_END] = nameEnd;
    ints[o + VALUE_START] = valueStart;
    ints[o + VALUE_END] = valueEnd;
    ints[o + TAG] = tag;
  }
}

/** A copy with twice the room. */
export function enlarged(ints: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(ints.length * 2);
  larger.set(ints);
  return larger;
}
