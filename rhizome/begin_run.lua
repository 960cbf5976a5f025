-- Takes a requested training run up, once at a time.
-- KEYS: training hash, pending
-- ARGV: run id, now (ISO 8601), lease (s), most attempts
-- Returns 'begun', 'finished', 'superseded', 'held' (another process runs it) or 'exhausted'.
if redis.call('HGET', KEYS[1], 'last_run_id') == ARGV[1] then return 'finished' end
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return 'superseded' end
local pending = redis.call('GET', KEYS[2])
if pending and pending ~= ARGV[1] then return 'superseded' end
if pending and redis.call('HGET', KEYS[1], 'state') == 'running' then return 'held' end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
redis.call('HSET', KEYS[1], 'state', 'running', 'started_at', ARGV[2])
if redis.call('HINCRBY', KEYS[1], 'attempts', 1) > tonumber(ARGV[4]) then return 'exhausted' end
return 'begun'
