import type { Random } from "./random.ts";

/** What mutations draw from besides chance. */
export interface MutationMaterial {
  /** Pieces that mean something to the parser under test. */
  readonly parts: readonly Buffer[];
  /** Whole inputs, to splice with. */
  readonly inputs: readonly Buffer[];
}

const MAX_RUN = 300;
const MAX_INPUT = 4096;

/** One to five damages, one after the other. */
export function mutate(bytes: Buffer, material: MutationMaterial, random: Random): Buffer {
  let out = bytes;
  for (let count = random(5); count >= 0; count--) out = damage(out, material, random);
  return out.subarray(0, MAX_INPUT);
}

function damage(bytes: Buffer, { parts, inputs }: MutationMaterial, random: Random): Buffer {
  const at = random(bytes.length + 1);
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  switch (random(9)) {
    case 0:
      return Buffer.concat([before, after.subarray(1 + random(8))]);
    case 1:
      return Buffer.concat([before, parts[random(parts.length)]!, after]);
    case 2:
      return Buffer.concat([before, Buffer.from([random(256)]), after.subarray(1)]);
    case 3: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at]! ^= 1 << random(8);
      return flipped;
    }
    case 4: {
      const repeated = after.subarray(0, 1 + random(30));
      return Buffer.concat([before, repeated, repeated, after.subarray(random(repeated.length + 1))]);
    }
    case 5: {
      const other = inputs[random(inputs.length)]!;
      return Buffer.concat([before, other.subarray(random(other.length + 1))]);
    }
    case 6:
      return Buffer.concat([before, Buffer.alloc(random(MAX_RUN), random(256)), after]);
    case 7:
      return Buffer.concat([
        before,
        Buffer.from(Array.from({ length: random(40) }, () => random(256))),
        after,
      ]);
    default:
      return Buffer.concat([bytes, inputs[random(inputs.length)]!]);
  }
}
