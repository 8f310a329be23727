import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import type {
  DescEnum,
  DescExtension,
  DescFile,
  DescMessage,
  DescService,
  Registry,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

type DescType = DescMessage | DescEnum | DescExtension | DescService;

/** Field numbers of FileDescriptorSet and FileDescriptorProto. */
const SET_FILE = 1;
const FILE_NAME = 1;
const FILE_PACKAGE = 2;
const MESSAGES = 4;
const ENUMS = 5;
const SERVICES = 6;
const EXTENSIONS = 7;
/** Field number of the name in each of the four. */
const NAME = 1;

/**
 * The types of a serialized google.protobuf.FileDescriptorSet. A file's descriptors are made when one of its types is
 * first asked for, together with those of the files it imports; a proxy uses a seventh of Envoy's API. Iterating makes all.
 */
export class DescriptorSet implements Registry {
  readonly kind = "registry";
  /** Files that are not made yet. */
  readonly #bytes = new Map<string, Uint8Array>();
  readonly #files = new Map<string, DescFile>();
  /** Names of a package's files, until the package's types are listed in `#fileOf`. */
  readonly #packages = new Map<string, string[]>();
  /** File by the full name of a type that is not nested, for the packages that were looked at. */
  readonly #fileOf = new Map<string, string>();
  readonly #types = new Map<string, DescType>();

  constructor(bytes: Uint8Array) {
    for (const file of lengthDelimited(bytes, SET_FILE)) {
      const name = firstString(file, FILE_NAME);
      const packageName = firstString(file, FILE_PACKAGE);
      this.#bytes.set(name, file);
      const files = this.#packages.get(packageName);
      if (files === undefined) this.#packages.set(packageName, [name]);
      else files.push(name);
    }
  }

  /** All types, also those that nobody asked for yet. */
  [Symbol.iterator](): IterableIterator<DescType> {
    this.#makeAll();
    return this.#types.values();
  }

  get(typeName: string): DescType | undefined {
    const known = this.#types.get(typeName);
    if (known !== undefined) return known;
    const file = this.#fileWith(typeName);
    if (file === undefined || this.#files.has(file)) return undefined;
    this.#make(file);
    return this.#types.get(typeName);
  }

  getMessage(typeName: string): DescMessage | undefined {
    const found = this.get(typeName);
    return found?.kind === "message" ? found : undefined;
  }

  getEnum(typeName: string): DescEnum | undefined {
    const found = this.get(typeName);
    return found?.kind === "enum" ? found : undefined;
  }

  getExtension(typeName: string): DescExtension | undefined {
    const found = this.get(typeName);
    return found?.kind === "extension" ? found : undefined;
  }

  getService(typeName: string): DescService | undefined {
    const found = this.get(typeName);
    return found?.kind === "service" ? found : undefined;
  }

  getExtensionFor(extendee: DescMessage, no: number): DescExtension | undefined {
    // Only options of descriptors can be extended: nothing that is read or printed while a program runs.
    if (extendee.proto.extensionRange.length === 0) return undefined;
    for (const type of this) {
      if (type.kind === "extension" && type.number === no && type.extendee === extendee) return type;
    }
    return undefined;
  }

  /** The file that holds a type: its package is the longest one that the type's name begins with. */
  #fileWith(typeName: string): string | undefined {
    for (let end = typeName.lastIndexOf("."); end > 0; end = typeName.lastIndexOf(".", end - 1)) {
      const packageName = typeName.slice(0, end);
      const files = this.#packages.get(packageName);
      if (files === undefined) continue;
      if (files.length > 0) this.#list(packageName, files);
      const next = typeName.indexOf(".", end + 1);
      return this.#fileOf.get(next < 0 ? typeName : typeName.slice(0, next));
    }
    return undefined;
  }

  #list(packageName: string, files: string[]): void {
    for (const file of files.splice(0)) {
      const bytes = this.#bytes.get(file);
      // Without its bytes a file was made before, and its types are known.
      if (bytes === undefined) continue;
      for (const kind of [MESSAGES, ENUMS, SERVICES, EXTENSIONS])
        for (const type of lengthDelimited(bytes, kind))
          this.#fileOf.set(`${packageName}.${firstString(type, NAME)}`, file);
    }
  }

  #make(name: string): DescFile {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const bytes = this.#bytes.get(name);
    if (bytes === undefined) throw new Error(`The descriptor set lacks the file "${name}"`);
    const proto = fromBinary(FileDescriptorProtoSchema, bytes);
    for (const imported of proto.dependency) this.#make(imported);
    const seen = (imported: string): DescFile => asSeenByImporters(this.#files.get(imported)!);
    const file = createFileRegistry(proto, seen).getFile(name)!;
    this.#files.set(name, file);
    this.#bytes.delete(name);
    for (const type of nestedTypes(file)) this.#types.set(type.typeName, type);
    return file;
  }

  #makeAll(): void {
    for (const name of this.#bytes.keys()) this.#make(name);
  }
}

/**
 * A file with none but its public imports. A registry is given all that a file imports, along every path of the graph;
 * those paths are too many to walk, and the importer may use no more than this.
 */
function asSeenByImporters(file: DescFile): DescFile {
  const shown = file.proto.publicDependency.map((index) => file.dependencies[index]!);
  return { ...file, dependencies: shown };
}

function* lengthDelimited(bytes: Uint8Array, wanted: number): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag();
    if (no === wanted && type === WireType.LengthDelimited) yield reader.bytes();
    else reader.skip(type, no);
  }
}

function firstString(bytes: Uint8Array, field: number): string {
  for (const value of lengthDelimited(bytes, field)) return new TextDecoder().decode(value);
  return "";
}
