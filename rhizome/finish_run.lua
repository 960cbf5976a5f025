-- Records how a training run ended and makes room for the next.
-- KEYS: training hash, pending
-- ARGV: run id, now (ISO 8601), outcome, version, detail
-- Returns 1, or 0 if the run is no longer the caller's.
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return 0 end
for _, field in ipairs({'run_id', 'reason', 'queued_at', 'started_at'}) do
  redis.call('HSET', KEYS[1], 'last_' .. field, redis.call('HGET', KEYS[1], field) or '')
end
redis.call('HSET', KEYS[1], 'state', 'idle', 'last_finished_at', ARGV[2], 'last_outcome', ARGV[3],
  'last_version', ARGV[4], 'last_detail', ARGV[5])
redis.call('HDEL', KEYS[1], 'run_id', 'reason', 'queued_at', 'started_at', 'attempts')
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
