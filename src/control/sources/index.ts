import type { DiscoverySourceDef } from "../source.ts";
import { consulSource } from "./consul.ts";
import { dnsSource } from "./dns.ts";
import { dockerSource } from "./docker.ts";
import { etcdSource } from "./etcd.ts";
import { eurekaSource } from "./eureka.ts";
import { execSource } from "./exec.ts";
import { fileSource } from "./file.ts";
import { httpSource } from "./http.ts";
import { kubernetesSource } from "./kubernetes.ts";
import { lyftSource } from "./lyft.ts";
import { marathonSource } from "./marathon.ts";
import { nomadSource } from "./nomad.ts";
import { registrySource } from "./registry.ts";

/** The sources that ship: one line each. */
export const sources: readonly DiscoverySourceDef[] = [
  consulSource,
  dnsSource,
  dockerSource,
  etcdSource,
  eurekaSource,
  execSource,
  fileSource,
  httpSource,
  kubernetesSource,
  lyftSource,
  marathonSource,
  nomadSource,
  registrySource,
];
