import type { DiscoverySourceDef } from "../catalog/source.ts";
import { cloudmapSource } from "./cloudmap.ts";
import { consulSource } from "./consul.ts";
import { dnsSource } from "./dns.ts";
import { dockerSource } from "./docker.ts";
import { ec2Source } from "./ec2.ts";
import { ecsSource } from "./ecs.ts";
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
import { xdsSource } from "./xds.ts";

/** The sources that ship: one line each. */
export const sources: readonly DiscoverySourceDef[] = [
  cloudmapSource,
  consulSource,
  dnsSource,
  dockerSource,
  ec2Source,
  ecsSource,
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
  xdsSource,
];
