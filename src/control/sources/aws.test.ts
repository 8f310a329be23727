import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { cloudmapSource } from "./cloudmap.ts";
import { ec2Source } from "./ec2.ts";
import { ecsSource } from "./ecs.ts";
import { AwsCredentialChain } from "./shared/aws-credentials.ts";
import { signRequest } from "./shared/aws-signature.ts";
import { parseXml, xmlAll, xmlText } from "./shared/xml.ts";

process.env["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
process.env["AWS_SECRET_ACCESS_KEY"] = "secret";

test("signRequest() signs as in AWS's own example", () => {
  const headers = signRequest(
    {
      method: "GET",
      host: "iam.amazonaws.com",
      path: "/",
      query: "Action=ListUsers&Version=2010-05-08",
      headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
      body: "",
    },
    {
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
      sessionToken: "",
    },
    "us-east-1",
    "iam",
    new Date("2015-08-30T12:36:00Z"),
  );
  assert.equal(
    headers["authorization"],
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
      "SignedHeaders=content-type;host;x-amz-date, " +
      "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
  );
});

test("parseXml() reads elements, text and entities, and refuses the rest", () => {
  const root = parseXml(
    '<?xml version="1.0"?>\n<a x="1"><!-- c --><b>1 &lt; &#50;</b><b/><c><d>x</d></c></a>',
  );
  assert.deepEqual(
    xmlAll(root, "a/b").map(({ text }) => text),
    ["1 < 2", ""],
  );
  assert.equal(xmlText(root, "a/c/d"), "x");
  for (const bad of ["", "x", "<a>", "<a></b>", "</a>", "<a><b></a></b>", "<!DOCTYPE a><a/>", "<a", "{}"])
    assert.throws(() => parseXml(bad), /it is not XML/, bad);
});

test("AwsCredentialChain.get() looks where AWS's programs look", async (t) => {
  const { signal } = new AbortController();
  const folder = tempDir("aws");
  const file = join(folder, "credentials");
  writeFileSync(
    file,
    "[default]\naws_access_key_id = A\naws_secret_access_key = B\n[two]\naws_access_key_id=C\naws_secret_access_key=D\n",
  );
  writeFileSync(join(folder, "token"), "jwt\n");
  const temporary = {
    AccessKeyId: "T",
    SecretAccessKey: "S",
    Token: "K",
    Expiration: "2099-01-01T00:00:00Z",
  };
  const server = await ScriptedHttp.start(t, (url, request, body) => {
    if (url.pathname === "/latest/api/token") return "imds-token";
    if (url.pathname.endsWith("/security-credentials/")) return "role-1";
    if (url.pathname.endsWith("/role-1"))
      return request.headers["x-aws-ec2-metadata-token"] === "imds-token" ? temporary : { status: 401 };
    if (url.pathname === "/pod") return request.headers.authorization === "jwt" ? temporary : { status: 401 };
    assert.match(body, /Action=AssumeRoleWithWebIdentity.*RoleArn=arn.*WebIdentityToken=jwt/);
    return (
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>W</AccessKeyId>" +
      "<SecretAccessKey>X</SecretAccessKey><SessionToken>Y</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>" +
      "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
  });
  const none = { AWS_SHARED_CREDENTIALS_FILE: join(folder, "none") };
  for (const [env, wanted] of [
    [{ AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "F", AWS_SESSION_TOKEN: "G" }, "E G"],
    [{ AWS_SHARED_CREDENTIALS_FILE: file }, "A "],
    [{ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: "two" }, "C "],
    [{ ...none, AWS_EC2_METADATA_SERVICE_ENDPOINT: server.url }, "T K"],
    [
      {
        ...none,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/pod`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, "token"),
      },
      "T K",
    ],
    [
      {
        AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "token"),
        AWS_ROLE_ARN: "arn",
        AWS_ENDPOINT_URL_STS: server.url,
      },
      "W Y",
    ],
  ] as const) {
    const { accessKeyId, sessionToken } = await new AwsCredentialChain("r", env).get(signal);
    assert.equal(`${accessKeyId} ${sessionToken}`, wanted);
  }
  await assert.rejects(
    new AwsCredentialChain("r", { ...none, AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:1" }).get(
      signal,
    ),
    /there are no AWS credentials/,
  );
});

const instance = (last: number, state = "running", tags: Record<string, string> = {}) =>
  `<item><instancesSet><item><instanceId>i-${last}</instanceId><privateIpAddress>10.0.0.${last}</privateIpAddress>` +
  `<instanceState><code>16</code><name>${state}</name></instanceState><placement><availabilityZone>us-east-1a` +
  `</availabilityZone></placement><tagSet>${Object.entries(tags)
    .map(([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`)
    .join("")}</tagSet></item></instancesSet></item>`;
const page = (items: string[], token = "") =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
  `<reservationSet>${items.join("")}</reservationSet>${token === "" ? "" : `<nextToken>${token}</nextToken>`}</DescribeInstancesResponse>`;

test("ec2Source.watch() reads tags as Rotor did, page after page", async (t) => {
  const server = await ScriptedHttp.start(t);
  const asked: URLSearchParams[] = [];
  const tags = { "tbn:cluster:users:80": "", "tbn:cluster:users:80:version": "7", team: "a" };
  server.answer = (_url, request, body) => {
    const form = new URLSearchParams(body);
    asked.push(form);
    assert.match(
      request.headers.authorization!,
      /Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/ec2\/aws4_request/,
    );
    return form.has("NextToken")
      ? page([instance(2, "shutting-down", tags), instance(3)])
      : page([instance(1, "running", tags)], "more");
  };
  const source = new WatchedSource(
    t,
    ec2Source,
    `region=us-east-1,endpoint=${server.url},vpc=v,filters=tag:x=1,tag:y=2,interval=10ms`,
  );
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  const { endpoints, confirmed } = reading.services.get("users")!;
  assert.equal(confirmed, false);
  assert.deepEqual(endpoints[0], {
    ip: "10.0.0.1",
    port: 80,
    weight: 1,
    region: "us-east-1",
    zone: "us-east-1a",
    version: "7",
    health: "healthy",
    metadata: { instance_id: "i-1", team: "a", version: "7" },
  });
  assert.equal(endpoints[1]!.health, "draining");
  assert.equal(asked[0]!.get("Filter.2.Name"), "tag:y");
  assert.equal(asked[0]!.get("Filter.4.Value.1"), "v");
  server.answer = () => ({
    status: 503,
    body: "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors></Response>",
  });
  await source.until("error: HTTP 503: Request limit exceeded.");
  for (const nonsense of ["", "{}", "<a/>", page([]).slice(0, -4)]) {
    server.answer = () => nonsense;
    await source.until(/^error: (it is not XML|the answer is not one of EC2)/);
  }
  server.answer = () => page([instance(1, "running", { "tbn:cluster:users:x": "" })]);
  await source.until("users=?+1");
});

interface JsonCall {
  readonly [key: string]: unknown;
}

async function jsonServer(
  t: TestContext,
  answers: Record<string, (call: JsonCall) => unknown>,
): Promise<ScriptedHttp> {
  return ScriptedHttp.start(t, (_url, request, body) => {
    const operation = String(request.headers["x-amz-target"]).split(".")[1]!;
    const answer = answers[operation]?.(JSON.parse(body) as JsonCall);
    if (answer === undefined) return { status: 400, body: { __type: "UnknownOperationException" } };
    return typeof answer === "string" ? answer : (answer as object);
  });
}

test("ecsSource.watch() finds containers in bridge networks and on Fargate", async (t) => {
  const task = (name: string, more: object) => ({
    taskArn: name,
    taskDefinitionArn: "def:1",
    availabilityZone: "us-east-1a",
    group: "service:users",
    lastStatus: "RUNNING",
    healthStatus: "HEALTHY",
    ...more,
  });
  let tasks: object[] = [
    task("bridge", {
      containerInstanceArn: "ci-1",
      containers: [{ name: "app", networkBindings: [{ containerPort: 8080, hostPort: 32768 }] }],
    }),
    task("fargate", {
      healthStatus: "UNHEALTHY",
      containers: [{ name: "app", networkInterfaces: [{ privateIpv4Address: "10.0.1.5" }] }, { name: "log" }],
    }),
    task("pending", { lastStatus: "PENDING", containers: [] }),
  ];
  let fail = false;
  const ec2 = await ScriptedHttp.start(t, () => page([instance(7)]));
  const ecs = await jsonServer(t, {
    ListClusters: () => ({ clusterArns: ["one"] }),
    ListTasks: ({ nextToken }) =>
      nextToken === undefined ? { taskArns: ["bridge"], nextToken: "n" } : { taskArns: ["fargate"] },
    DescribeTasks: () => (fail ? "{}" : { tasks, failures: [] }),
    DescribeTaskDefinition: () => ({
      taskDefinition: {
        containerDefinitions: [
          { name: "app", dockerLabels: { "tbn-cluster": "users:8080", team: "a" } },
          { name: "log" },
        ],
      },
    }),
    DescribeContainerInstances: () => ({
      containerInstances: [{ containerInstanceArn: "ci-1", ec2InstanceId: "i-7" }],
    }),
  });
  const source = new WatchedSource(
    t,
    ecsSource,
    `region=us-east-1,endpoint=${ecs.url},ec2_endpoint=${ec2.url},interval=10ms`,
  );
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  const { endpoints } = reading.services.get("users")!;
  assert.deepEqual(
    endpoints.map(({ ip, port, health, zone }) => `${ip}:${port} ${health} ${zone}`),
    ["10.0.0.7:32768 healthy us-east-1a", "10.0.1.5:8080 unhealthy us-east-1a"],
  );
  assert.deepEqual(endpoints[0]!.metadata, {
    team: "a",
    "ecs-cluster": "one",
    "ecs-task-definition": "def:1",
    "ecs-task-container": "app",
    "ecs-task-instance": "bridge",
    "ecs-service": "users",
    "ecs-container-instance": "ci-1",
    "ec2-instance-id": "i-7",
  });
  fail = true;
  await source.until("error: one: the answer is not one of ECS to DescribeTasks");
  fail = false;
  tasks = tasks.slice(1);
  await source.until("users=10.0.1.5:8080!un@us-east-1a?");
});

test("cloudmapSource.watch() discovers the services of a namespace with their health", async (t) => {
  const discovered = (port: string, HealthStatus = "HEALTHY") => ({
    InstanceId: `i-${port}`,
    HealthStatus,
    Attributes: {
      AWS_INSTANCE_IPV4: "10.0.0.1",
      AWS_INSTANCE_PORT: port,
      AVAILABILITY_ZONE: "us-east-1a",
      version: "7",
    },
  });
  let users: unknown = { Instances: [discovered("80"), discovered("81", "UNHEALTHY")] };
  const server = await jsonServer(t, {
    ListNamespaces: () => ({ Namespaces: [{ Id: "ns-1", Name: "shop" }] }),
    ListServices: ({ Filters }) => {
      assert.deepEqual(Filters, [{ Name: "NAMESPACE_ID", Values: ["ns-1"], Condition: "EQ" }]);
      return { Services: [{ Name: "users" }, { Name: "orders" }] };
    },
    DiscoverInstances: ({ ServiceName }) => (ServiceName === "users" ? users : { Instances: [] }),
  });
  const options = `region=us-east-1,namespace=shop,endpoint=${server.url},data_endpoint=${server.url},interval=10ms`;
  const source = new WatchedSource(t, cloudmapSource, options);
  await source.until("orders=? users=10.0.0.1:80@us-east-1a,10.0.0.1:81!un@us-east-1a?");
  users = "oops";
  await source.until(
    /^orders=\? users=10.0.0.1:80@us-east-1a,10.0.0.1:81!un@us-east-1a\? \(users: .*not JSON/,
  );
  users = { Instances: [discovered("80"), discovered("x")] };
  await source.until("orders=? users=10.0.0.1:80@us-east-1a?+1");
  users = { Instances: [] };
  await source.until("orders=? users=?");
  const lost = new WatchedSource(t, cloudmapSource, options.replace("namespace=shop", "namespace=x"));
  assert.equal(await lost.nextText(), 'error: there is no namespace "x"');
});
