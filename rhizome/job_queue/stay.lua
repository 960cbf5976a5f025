-- A scorer has heard nothing for one blocking read: may it go on listening?
-- ARGV: scorer, milliseconds for which it would listen, milliseconds for which a note of that is written (0: none is), lane
-- Returns 'claim' where something waits, 'leave' where its process is wanted for another task or another scorer listens,
-- else 'listen'. One listener is enough: it takes what comes together in larger micro-batches than two would. Others
-- are woken by the bell where more comes than it can take.
local lane = tonumber(ARGV[4])
if waiting_in(lane) > 0 then return 'claim' end
if lane == BATCH and redis.call('LLEN', UPKEEP_QUEUE) + redis.call('LLEN', EXPORT_QUEUE) > 0 then return 'leave' end
if others_listen(lane, ARGV[1]) then
  redis.call('ZREM', LISTENING[lane], ARGV[1])
  return 'leave'
end
-- Written before it runs out, not each time: each write is synced to the disk.
local noted = tonumber(redis.call('ZSCORE', LISTENING[lane], ARGV[1]) or 0)
if tonumber(ARGV[3]) > 0 and noted < now_ms() + tonumber(ARGV[2]) then note_listening(lane, ARGV[1], tonumber(ARGV[3])) end
return 'listen'
