-- Takes one delivery that is due, of a receiver that has a free place; rings for help where more is due.
-- ARGV: lease (ms), how many of the standings may be served, from the first on
-- Returns {delivery id, attempt, standing of the receiver, name, value, name, value, …}, or nil.
-- Each turn of the loop takes one, or puts a receiver off or where it belongs, so it ends.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function first_due()
  for index = 1, tonumber(ARGV[2]) do
    local standing = WEBHOOKS_STANDINGS[index]
    local receiver = redis.call('ZRANGEBYSCORE', WEBHOOKS_DUE .. standing, '-inf', now, 'LIMIT', 0, 1)[1]
    if receiver then return receiver, standing end
  end
end

while true do
  local receiver, standing = first_due()
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
    if is_anything_due(now) then ring_deliverer() end
    return {id, attempt, standing, unpack(redis.call('HGETALL', WEBHOOK .. id))}
  end
  reschedule(receiver)
end
