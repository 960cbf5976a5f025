-- Asks for a training run, unless one is queued already.
-- KEYS: training hash, pending, Celery queue
-- ARGV: new run id, reason, now (ISO 8601), TTL of a queued run (s), Celery message, '1' if forced
-- Returns {run id, 1 if it is new}.
local standing = find_standing(ARGV[3], ARGV[4])
if standing and redis.call('HGET', hash, 'state') == 'running' then
  -- it may have read its data before this wish came: another run follows it
  local follower = redis.call('HGET', hash, 'next_run_id')
  if follower then
    if ARGV[6] == '1' then redis.call('HSET', hash, 'next_force', '1') end
    return {follower, 0}
  end
  redis.call('HSET', hash, 'next_run_id', ARGV[1], 'next_reason', ARGV[2], 'next_queued_at', ARGV[3],
    'next_message', ARGV[5], 'next_force', ARGV[6])
elseif standing then
  if ARGV[6] == '1' then redis.call('HSET', hash, 'force', '1') end
  return {standing, 0}
else
  queue(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6])
  redis.call('LPUSH', KEYS[3], ARGV[5])
end
return {ARGV[1], 1}
