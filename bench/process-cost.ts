import { readdirSync, readFileSync } from "node:fs";

/** CPU time of a process, its children and all their living threads, in microseconds. */
export function cpuMicros(pid: number): number {
  let nanos = 0;
  for (const thread of threadsOf(pid)) nanos += Number(readIfThere(`${thread}/schedstat`).split(" ")[0]);
  return nanos / 1000;
}

/** Resident memory of a process and its children in bytes. */
export function residentBytes(pid: number): number {
  let bytes = 0;
  for (const id of familyOf(pid)) {
    const found = /VmRSS:\s+(\d+) kB/.exec(readIfThere(`/proc/${id}/status`));
    bytes += Number(found?.[1] ?? 0) * 1024;
  }
  return bytes;
}

function threadsOf(pid: number): string[] {
  return familyOf(pid).flatMap((id) => taskFolders(id));
}

function familyOf(pid: number): number[] {
  const family = [pid];
  for (const task of taskFolders(pid)) {
    const children = readIfThere(`${task}/children`).trim();
    for (const child of children === "" ? [] : children.split(" ")) family.push(...familyOf(Number(child)));
  }
  return family;
}

function taskFolders(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`);
}

/** Threads and children may end between being listed and being read. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
