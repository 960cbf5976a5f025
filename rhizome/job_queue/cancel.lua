-- Cancels a job that is not final; a batch stops at its next chunk. Of rows that came as a file nothing is kept.
-- ARGV: job id, result TTL (s), now (ms). Returns the state that the job had, or nil for an unknown one.
local state = end_early(ARGV[1], 'cancelled', ARGV[3], ARGV[2])
if state == 'queued' and redis.call('HEXISTS', JOB .. ARGV[1], 'source') == 1 then redis.call('DEL', ROWS .. ARGV[1]) end
return state
