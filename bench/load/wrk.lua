-- Makes wrk send bodies (BENCH_BODY bytes, if set) and print what it saw as one line of JSON.
local body = tonumber(os.getenv("BENCH_BODY") or "0")
if body > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", body)
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"perSecond":%.1f,"p50":%d,"p99":%d,"p999":%d,"errors":%d}\n',
    summary.requests, summary.requests * 1e6 / summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    e.connect + e.read + e.write + e.status + e.timeout))
end
