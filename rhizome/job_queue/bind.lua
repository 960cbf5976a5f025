-- Binds a batch job to the version that scores its first chunk, so that no batch is answered by two versions.
-- KEYS: job record. ARGV: version, now (ms). Returns the version bound, or nil if the job is gone or final.
if redis.call('HGET', KEYS[1], 'state') ~= 'queued' then return nil end
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[2])
redis.call('HSETNX', KEYS[1], 'version', ARGV[1])
return redis.call('HGET', KEYS[1], 'version')
