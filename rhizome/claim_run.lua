-- Takes the place of the current run for a process that carries it out itself, unless one is queued or runs.
-- KEYS: training hash, pending, Celery queue
-- ARGV: new run id, reason, now (ISO 8601), lease (s), TTL of a queued run (s)
-- Returns {id of the run that stands, 1 if it is the caller's}.
if not redis.call('GET', pending_key) then give_up(ARGV[3], ARGV[5]) end
local pending = redis.call('GET', pending_key)
if pending then return {pending, 0} end
redis.call('SET', pending_key, ARGV[1], 'EX', ARGV[4])
redis.call('HSET', hash, 'state', 'queued', 'run_id', ARGV[1], 'reason', ARGV[2], 'queued_at', ARGV[3],
  'started_at', '', 'attempts', '0')
return {ARGV[1], 1}
