// A gRPC client of its own process, since its xDS part never ends by itself. Usage: TARGET; prints one answer a line.
import { Client, credentials } from "@grpc/grpc-js";
import { register } from "@grpc/grpc-js-xds";

const bytes = (value: Buffer) => value;

register();
const client = new Client(process.argv[2]!, credentials.createInsecure());
for (;;) {
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { deadline: Date.now() + 5000 };
  client.makeUnaryRequest("/test.Name/Get", bytes, bytes, Buffer.alloc(0), options, (error, value) =>
    resolve(error ? `error ${error.message}` : String(value)),
  );
  console.log(await promise);
  await new Promise((wait) => setTimeout(wait, 5));
}
