-- Binds a batch job to the version that scores its first chunk, so that no batch is answered by two versions.
-- KEYS: job record. ARGV: version, now (ms), job id. Returns the version bound, or nil if the job is gone or final.
local facts = redis.call('HMGET', KEYS[1], 'state', 'webhook')
if facts[1] ~= 'queued' then return nil end
local is_first = redis.call('HSETNX', KEYS[1], 'started_at', ARGV[2]) == 1
redis.call('HSETNX', KEYS[1], 'version', ARGV[1])
if is_first and facts[2] then announce(ARGV[3], 'started', 'running', ARGV[2]) end
return redis.call('HGET', KEYS[1], 'version')
