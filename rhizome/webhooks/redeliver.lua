-- Sends a job's last event once more, under its own id; one that is still being tried is left alone.
-- ARGV: job id, now (ms). Returns the delivery's id, or nil where there has been no event.
local id = redis.call('LINDEX', WEBHOOKS_OF .. ARGV[1], -1)
local facts = id and redis.call('HMGET', WEBHOOK .. id, 'state', 'receiver')
if not facts or not facts[1] then return nil end
if facts[1] ~= 'pending' then
  redis.call('HINCRBY', WEBHOOK .. id, 'cycle', 1)
  redis.call('HSET', WEBHOOK .. id, 'state', 'pending', 'cycle_at', ARGV[2], 'next_at', ARGV[2], 'cycle_attempts', 0)
  enqueue(id, ARGV[1], facts[2], ARGV[2])
end
return id
