-- Writes a sign of life, stamped with this server's clock: the one clock by which it is judged who lives.
-- KEYS: the processes. ARGV: the process, its heartbeat (a JSON object).
local time = redis.call('TIME')
local stamp = string.format('{"heard_at":%s.%06d,', time[1], time[2])
redis.call('HSET', KEYS[1], ARGV[1], stamp .. string.sub(ARGV[2], 2))
