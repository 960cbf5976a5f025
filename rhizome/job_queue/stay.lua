-- A scorer has heard nothing for one blocking read: may it go on listening?
-- ARGV: scorer, milliseconds for which it would listen, milliseconds for which a note of that is written
-- Returns 'claim' where something waits, 'leave' where its process is wanted for another task, else 'listen'.
if waiting_until(#STREAMS) > 0 then return 'claim' end
if redis.call('LLEN', UPKEEP_QUEUE) + redis.call('LLEN', EXPORT_QUEUE) > 0 then return 'leave' end
-- Written before it runs out, not each time: each write is synced to the disk.
local noted = tonumber(redis.call('ZSCORE', LISTENING, ARGV[1]) or 0)
if noted < now_ms() + tonumber(ARGV[2]) then
  for _, stream in ipairs(STREAMS) do in_flight(stream) end  -- the scorer's blocking read needs every group
  redis.call('ZADD', LISTENING, now_ms() + tonumber(ARGV[3]), ARGV[1])
end
return 'listen'
