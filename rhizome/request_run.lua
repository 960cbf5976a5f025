-- Asks for a training run, unless one is queued already.
-- KEYS: training hash, pending, Celery queue
-- ARGV: new run id, reason, now (ISO 8601), TTL of a queued run (s), Celery message
-- Returns {run id, 1 if it is new}.
local pending = redis.call('GET', pending_key)
if not pending then
  give_up(ARGV[3], ARGV[4])
  pending = redis.call('GET', pending_key)
end
if pending and redis.call('HGET', hash, 'state') == 'running' then
  -- it may have read its data before this wish came: another run follows it
  local follower = redis.call('HGET', hash, 'next_run_id')
  if follower then return {follower, 0} end
  redis.call('HSET', hash, 'next_run_id', ARGV[1], 'next_reason', ARGV[2], 'next_queued_at', ARGV[3],
    'next_message', ARGV[5])
elseif pending then
  return {pending, 0}
else
  redis.call('SET', pending_key, ARGV[1], 'EX', ARGV[4])
  redis.call('HSET', hash, 'state', 'queued', 'run_id', ARGV[1], 'reason', ARGV[2], 'queued_at', ARGV[3],
    'started_at', '', 'attempts', '0')
  redis.call('LPUSH', KEYS[3], ARGV[5])
end
return {ARGV[1], 1}
