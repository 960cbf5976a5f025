-- Takes what waits, without blocking; a scorer that finds nothing is noted as listening.
-- ARGV: scorer, most single jobs, result TTL (s), milliseconds it will listen (0: it will not), index of the
--       last stream to take from
-- Returns one list of entries per stream: entry id, message, entry id, message, …
local last = tonumber(ARGV[5])
local taken, total = claim(ARGV[1], tonumber(ARGV[2]), ARGV[3], last)
if total == 0 and tonumber(ARGV[4]) > 0 and last == #STREAMS then
  for _, stream in ipairs(STREAMS) do in_flight(stream) end  -- the scorer's blocking read needs every group
  redis.call('ZADD', LISTENING, now_ms() + tonumber(ARGV[4]), ARGV[1])
end
return taken
