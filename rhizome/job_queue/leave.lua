-- A scorer stops listening. ARGV: scorer, '1' to ring where something waits
-- Returns 1 if something waits: without a bell, the scorer must go on.
redis.call('ZREM', LISTENING, ARGV[1])
local left = waiting_until(#STREAMS) > 0
if left and ARGV[2] == '1' then ring() end
return left and 1 or 0
