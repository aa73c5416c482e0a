-- What wrk sends and what it says at the end.
-- The file named after the URL holds whole requests with a NUL behind each. They are cut once and then sent in turn, so
-- that the client has next to nothing to do for each and the server, not the client, is what a run measures.

local requests, turn = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("%Z+") do
    requests[#requests + 1] = request
  end
  file:close()
  assert(#requests > 0, "the file holds no request")
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write("\nRESULT ", string.format(
    '{"requests": %d, "micros": %d, "bytes": %d, "p50": %d, "p99": %d, "p99_9": %d, ' ..
    '"errors": {"status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}}',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout), "\n")
end
