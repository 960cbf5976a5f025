-- A scorer stops listening. ARGV: scorer, '1' to ring in any case, '0' to ring where something waits, lane
local lane = tonumber(ARGV[3])
redis.call('ZREM', LISTENING[lane], ARGV[1])
if ARGV[2] == '1' or waiting_in(lane) > 0 then ring(lane) end
