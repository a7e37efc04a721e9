-- POST what is in the file BENCH_BODY, and print what came back as one line of JSON.
wrk.method, wrk.body = "POST", assert(io.open(os.getenv("BENCH_BODY"), "rb")):read("*a")
wrk.headers["Content-Type"] = "application/json"

done = function(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  local form = '\nRESULT {"answers": %d, "refused": %d, "broken": %d, "seconds": %f, "p50": %f, "p99": %f}\n'
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  io.write(string.format(form, summary.requests, errors.status, broken, summary.duration / 1e6, p50, p99))
end
