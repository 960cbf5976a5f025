-- Takes one delivery that is due, of a receiver that has a free place; rings for help where more is due.
-- ARGV: lease (ms). Returns {delivery id, attempt, name, value, name, value, …}, or nil.
-- Each turn of the loop takes one or puts a receiver off, so it ends.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
while true do
  local receiver = redis.call('ZRANGEBYSCORE', WEBHOOKS_DUE, '-inf', now, 'LIMIT', 0, 1)[1]
  if not receiver then return nil end
  local waiting, busy = WEBHOOKS_WAITING .. receiver, WEBHOOKS_BUSY .. receiver
  redis.call('ZREMRANGEBYSCORE', busy, '-inf', now)
  local id = redis.call('ZRANGEBYSCORE', waiting, '-inf', now, 'LIMIT', 0, 1)[1]
  if id and redis.call('EXISTS', WEBHOOK .. id) == 0 then
    redis.call('ZREM', waiting, id)
    redis.call('ZREM', WEBHOOKS_PENDING, id)
  elseif id and redis.call('ZCARD', busy) < WEBHOOKS_PER_RECEIVER then
    local lease_end = string.format('%d', now + ARGV[1])
    redis.call('ZADD', waiting, lease_end, id)
    redis.call('ZADD', busy, lease_end, id)
    redis.call('HINCRBY', WEBHOOK .. id, 'cycle_attempts', 1)
    local attempt = redis.call('HINCRBY', WEBHOOK .. id, 'attempts', 1)
    reschedule(receiver)
    if redis.call('ZCOUNT', WEBHOOKS_DUE, '-inf', now) > 0 then ring_deliverer() end
    return {id, attempt, unpack(redis.call('HGETALL', WEBHOOK .. id))}
  end
  reschedule(receiver)
end
