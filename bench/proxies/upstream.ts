import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, startNginx } from "./start-nginx.ts";
import { nginxMain } from "./nginx.ts";

/** nginx that answers with a few bytes; with 1 MiB below /mebibyte; and, below /upload, when it has read the whole request. */
export interface Upstream {
  h1Port: number;
  h2cPort: number;
  stop(): Promise<void>;
}

const MEBIBYTE = 1_048_576;

export async function startUpstream(core: number, folder: string): Promise<Upstream> {
  const h1Port = await freePort();
  const h2cPort = await freePort();
  const socket = join(folder, "answer.sock");
  writeFileSync(join(folder, "mebibyte"), Buffer.alloc(MEBIBYTE, "x"));
  // A proxied request is passed on when it is complete, which "return" alone would not wait for.
  const locations = `
    location / { return 200 "hello, mesh\\n"; }
    location /mebibyte { root ${folder}; }
    location /upload {
      client_max_body_size 16m; client_body_buffer_size 2m;
      proxy_pass http://unix:${socket}:; proxy_pass_request_body off; proxy_set_header Content-Length "";
    }`;
  const config = `${nginxMain(folder, "upstream")}
  access_log off;
  server { listen unix:${socket}; location / { return 200 "taken\\n"; } }
  server { listen 127.0.0.1:${h1Port}; ${locations} }
  server { listen 127.0.0.1:${h2cPort} http2; ${locations} }
}
`;
  const nginx = await startNginx("upstream", h1Port, core, folder, config);
  return { h1Port, h2cPort, stop: nginx.stop };
}
