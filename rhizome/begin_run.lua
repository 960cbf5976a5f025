-- Takes a requested training run up, once at a time.
-- KEYS: training hash, pending, Celery queue
-- ARGV: run id, now (ISO 8601), lease (s), most attempts
-- Returns 'begun', 'finished', 'superseded', 'held' (another process runs it) or 'exhausted'.
if redis.call('HGET', hash, 'last_run_id') == ARGV[1] then return 'finished' end
if redis.call('HGET', hash, 'run_id') ~= ARGV[1] then return 'superseded' end
local pending = redis.call('GET', pending_key)
if pending and pending ~= ARGV[1] then return 'superseded' end
if pending and redis.call('HGET', hash, 'state') == 'running' then return 'held' end
redis.call('SET', pending_key, ARGV[1], 'EX', ARGV[3])
redis.call('HSET', hash, 'state', 'running', 'started_at', ARGV[2])
if redis.call('HINCRBY', hash, 'attempts', 1) > tonumber(ARGV[4]) then return 'exhausted' end
return 'begun'
