-- Lets the run that waits begin where the one before it is held by nobody any more.
-- KEYS: training hash, pending, Celery queue
-- ARGV: now (ISO 8601), TTL of a queued run (s)
-- Returns 1 if it does.
if redis.call('HEXISTS', hash, 'next_run_id') == 0 or redis.call('EXISTS', pending_key) == 1 then return 0 end
give_up(ARGV[1], ARGV[2])
return 1
