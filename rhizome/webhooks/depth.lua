-- How full the outbox is. ARGV: now (ms), most receivers to look at, of each standing
-- Returns {deliveries not settled, those that are due, ms since the oldest due one was (-1: none)}.
local due, oldest = 0, -1
for _, standing in ipairs(WEBHOOKS_STANDINGS) do
  local receivers = redis.call('ZRANGEBYSCORE', WEBHOOKS_DUE .. standing, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
  for _, receiver in ipairs(receivers) do
    local waiting = WEBHOOKS_WAITING .. receiver
    due = due + redis.call('ZCOUNT', waiting, '-inf', ARGV[1])
    local head = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
    if #head > 0 then oldest = math.max(oldest, ARGV[1] - head[2]) end
  end
end
return {redis.call('ZCARD', WEBHOOKS_PENDING), due, oldest}
