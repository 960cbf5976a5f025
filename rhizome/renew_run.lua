-- Prolongs the lease of a running training run.
-- KEYS: training hash, pending
-- ARGV: run id, lease (s)
-- Returns 1, or 0 if the run is no longer the caller's.
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return 1
