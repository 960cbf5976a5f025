-- Removes a job for good: its record, rows, exports, webhook deliveries and Idempotency-Key. One that is not final is cancelled
-- first. What stays for a while says that there was one, so that its id reads as gone, and late files of it are swept away.
-- ARGV: job id, result TTL (s), now (ms). Returns the state that the job had, or nil for an unknown one.
local id, ttl = ARGV[1], ARGV[2]
local job = JOB .. id
local state = end_early(id, 'cancelled', ARGV[3], ttl)
if not state or state == PURGED then return state end

for _, delivery in ipairs(redis.call('LRANGE', WEBHOOKS_OF .. id, 0, -1)) do withdraw(delivery) end
local idempotency = redis.call('HGET', job, 'idempotency')
if idempotency then redis.call('DEL', idempotency) end
redis.call('DEL', job, ROWS .. id, WEBHOOKS_OF .. id, WEBHOOKS_LOG .. id)
for _, form in ipairs(FORMS) do redis.call('DEL', EXPORT .. id .. ':' .. form) end
redis.call('HSET', job, 'state', PURGED)
redis.call('EXPIRE', job, ttl)
redis.call('PUBLISH', FINISHED, id)
return state
