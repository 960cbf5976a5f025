-- Asks for a training run, unless one is queued or runs.
-- KEYS: training hash, pending, Celery queue
-- ARGV: new run id, reason, now (ISO 8601), TTL of a queued run (s), Celery message ('' = the caller runs it itself)
-- Returns {run id, 1 if it is new}.
local pending = redis.call('GET', KEYS[2])
if pending then return {pending, 0} end
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'queued' or state == 'running' then
  -- nothing holds that run any more: its process died, or nobody took it up in time
  for _, field in ipairs({'run_id', 'reason', 'queued_at', 'started_at'}) do
    redis.call('HSET', KEYS[1], 'last_' .. field, redis.call('HGET', KEYS[1], field) or '')
  end
  redis.call('HSET', KEYS[1], 'last_finished_at', ARGV[3], 'last_outcome', 'failed', 'last_version', '',
    'last_detail', state == 'running' and 'the training process died' or 'no trainer took the run up in time')
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[4])
redis.call('HSET', KEYS[1], 'state', 'queued', 'run_id', ARGV[1], 'reason', ARGV[2], 'queued_at', ARGV[3],
  'started_at', '', 'attempts', '0')
if ARGV[5] ~= '' then redis.call('LPUSH', KEYS[3], ARGV[5]) end
return {ARGV[1], 1}
