-- Records how a training run ended and makes room for the next.
-- KEYS: training hash, pending, Celery queue
-- ARGV: run id, now (ISO 8601), outcome, version, detail, TTL of a queued run (s)
-- Returns 1, or 0 if the run is no longer the caller's.
if redis.call('HGET', hash, 'run_id') ~= ARGV[1] then return 0 end
conclude(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
return 1
