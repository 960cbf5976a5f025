-- A scorer stops listening. KEYS: interactive stream, batch stream, bell, listening, Celery queue
-- ARGV: group, scorer, bell message, bell TTL (s), '1' to ring where something waits
-- Returns 1 if something waits: without a bell, the scorer must go on.
redis.call('ZREM', KEYS[4], ARGV[2])
local left = waiting(KEYS[1], ARGV[1]) > 0 or waiting(KEYS[2], ARGV[1]) > 0
if left and ARGV[5] == '1' then ring(KEYS[3], KEYS[5], ARGV[3], ARGV[4]) end
return left and 1 or 0
