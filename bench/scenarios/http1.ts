import { underLoad } from "../load/under-load.ts";
import { wrk, type WrkLoad } from "../load/wrk.ts";
import { ALL, work } from "../proxies/work.ts";
import { againstEnvoy, casesOf, type Bar, type Round, type Scenario } from "../scenario.ts";

// HTTP/1.1 on both sides.

/** Some 700 bytes of request headers as a browser sends them. */
const BROWSER_HEADERS = [
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Cookie: session=5c0f1a7e9b2d4c6f8a1b3d5e7f901234; theme=dark; consent=eyJhIjoxLCJiIjowfQ; _ga=GA1.2.1234567890.1700000000",
  "Referer: http://shop.example.com/catalogue/shoes?page=3&sort=price",
  "Cache-Control: max-age=0",
  "Upgrade-Insecure-Requests: 1",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Site: same-origin",
];
const MEBIBYTE = 1_048_576;
const HAPROXY_BAR: Bar = { metric: "cost", atMost: 1.25, against: { proxy: "haproxy" } };

export const http1Scenarios: readonly Scenario[] = [
  {
    name: "h1",
    about: "HTTP/1.1, 50 connections kept alive",
    unit: "us/request",
    cases: casesOf(ALL, work(), loaded({ connections: 50 })),
    bars: [againstEnvoy(0.4), HAPROXY_BAR],
  },
  {
    name: "h1-access-log",
    about: "the same with a line per request in a log file",
    unit: "us/request",
    cases: casesOf(ALL, work({ accessLog: true }), loaded({ connections: 50 })),
    bars: [againstEnvoy(0.45)],
  },
  {
    name: "h1-500",
    about: "500 connections",
    unit: "us/request",
    cases: casesOf(ALL, work(), loaded({ connections: 500 })),
    bars: [againstEnvoy(0.4)],
  },
  {
    name: "h1-browser",
    about: "a browser's headers, 700 bytes",
    unit: "us/request",
    cases: casesOf(ALL, work(), loaded({ connections: 50, headers: BROWSER_HEADERS })),
    bars: [againstEnvoy(0.4)],
  },
  {
    name: "h1-new",
    about: "a new connection per request",
    unit: "us/connection",
    cases: casesOf(ALL, work(), loaded({ connections: 20, headers: ["Connection: close"] })),
    bars: [againstEnvoy(0.9)],
  },
  {
    name: "download",
    about: "responses of 1 MiB, 10 connections",
    unit: "us/MiB",
    cases: casesOf(ALL, work(), loaded({ connections: 10, path: "/mebibyte" })),
    bars: [againstEnvoy(1)],
  },
  {
    name: "upload",
    about: "requests of 1 MiB, 10 connections",
    unit: "us/MiB",
    cases: casesOf(ALL, work(), loaded({ connections: 10, path: "/upload", body: MEBIBYTE })),
    bars: [againstEnvoy(1.3)],
  },
];

function loaded(load: WrkLoad): Round {
  return underLoad((contender, seconds) => wrk(contender.port, seconds, load));
}
