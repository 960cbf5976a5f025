-- Prolongs the lease of a running training run.
-- KEYS: training hash, pending, Celery queue
-- ARGV: run id, lease (s)
-- Returns 1, or 0 if the run is no longer the caller's.
if redis.call('HGET', hash, 'run_id') ~= ARGV[1] then return 0 end
if redis.call('HGET', hash, 'state') ~= 'running' then return 0 end
redis.call('SET', pending_key, ARGV[1], 'EX', ARGV[2])
return 1
