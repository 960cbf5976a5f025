-- A scorer stops listening. ARGV: scorer, '1' to ring in any case, '0' to ring where something waits
redis.call('ZREM', LISTENING, ARGV[1])
if ARGV[2] == '1' or waiting_until(#STREAMS) > 0 then ring() end
