-- Notes how an attempt went, and what follows from it.
-- ARGV: delivery id, attempt, outcome (`delivered`, `failed`, or `retry`), delay of the next attempt (ms), line of the log
--       (JSON), most lines of a job's log, HTTP status ('' for none), error ('' for none), how long a settled delivery is
--       kept (s), now (ms), cycle of the attempt, standing that it gives the receiver, for how long (s)
-- An attempt whose lease was over when it ended may only add that it has delivered: another one is under way. One from
-- before somebody asked for the delivery again may not even add that: what was asked for is yet to be sent.
local id, outcome, now = ARGV[1], ARGV[3], ARGV[10]
local delivery = WEBHOOK .. id
local facts = redis.call('HMGET', delivery, 'state', 'attempts', 'receiver', 'job', 'cycle')
if not facts[1] then return end
local receiver, job_id = facts[3], facts[4]
local log, others = WEBHOOKS_LOG .. job_id, WEBHOOKS_OF .. job_id
redis.call('RPUSH', log, ARGV[5])
redis.call('LTRIM', log, -ARGV[6], -1)
local is_latest = facts[2] == ARGV[2]
if facts[1] ~= 'pending' or facts[5] ~= ARGV[11] or not (is_latest or outcome == 'delivered') then return end

redis.call('SET', WEBHOOKS_STANDING .. receiver, ARGV[12], 'EX', ARGV[13])
redis.call('ZREM', WEBHOOKS_BUSY .. receiver, id)
redis.call('HSET', delivery, 'last_at', now, 'last_status', ARGV[7], 'last_error', ARGV[8])
if outcome == 'retry' then
  local due = string.format('%d', now + ARGV[4])
  redis.call('HSET', delivery, 'next_at', due)
  redis.call('ZADD', WEBHOOKS_WAITING .. receiver, due, id)
else
  redis.call('HSET', delivery, 'state', outcome)
  redis.call('HDEL', delivery, 'next_at')
  redis.call('ZREM', WEBHOOKS_WAITING .. receiver, id)
  redis.call('ZREM', WEBHOOKS_PENDING, id)
  redis.call('EXPIRE', delivery, ARGV[9])
  local open = false
  for _, other in ipairs(redis.call('LRANGE', others, 0, -1)) do
    open = open or redis.call('HGET', WEBHOOK .. other, 'state') == 'pending'
  end
  if not open then
    redis.call('EXPIRE', others, ARGV[9])
    redis.call('EXPIRE', log, ARGV[9])
  end
end
reschedule(receiver)
