-- Takes what waits, without blocking; a scorer that finds nothing is noted as listening.
-- KEYS: interactive stream, batch stream, bell, listening, Celery queue
-- ARGV: group, scorer, most single jobs, bell message, bell TTL (s), milliseconds it will listen (0: it will not),
--       '1' to leave batch chunks alone
local group, consumer = ARGV[1], ARGV[2]
if ARGV[7] == '1' then return {take(KEYS[1], group, consumer, ARGV[3]), {}} end
local singles, chunks = claim(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], group, consumer, ARGV[3], ARGV[4], ARGV[5])
if #singles + #chunks == 0 and tonumber(ARGV[6]) > 0 then
  redis.call('ZADD', KEYS[4], now_ms() + tonumber(ARGV[6]), consumer)
end
return {singles, chunks}
