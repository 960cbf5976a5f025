-- Takes what waits, without blocking; a scorer that finds nothing is noted as listening.
-- ARGV: scorer, most single jobs, result TTL (s), milliseconds it will listen (0: it will not), '1' to leave batch chunks alone
-- Returns one list of entries per stream: entry id, message, entry id, message, …
local taken, total = claim(ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[5] == '1')
if total == 0 and tonumber(ARGV[4]) > 0 and ARGV[5] ~= '1' then
  for _, stream in ipairs(STREAMS) do in_flight(stream) end  -- the scorer's blocking read needs every group
  redis.call('ZADD', LISTENING, now_ms() + tonumber(ARGV[4]), ARGV[1])
end
return taken
