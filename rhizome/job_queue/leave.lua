-- A scorer does not listen, or not any more.
-- ARGV: scorer, when another is woken: 'waiting' where something waits, 'unheard' where nobody listens, too, or 'always'; lane
local lane = tonumber(ARGV[3])
redis.call('ZREM', LISTENING[lane], ARGV[1])
local is_unheard = ARGV[2] == 'unheard' and not others_listen(lane, ARGV[1])
if is_unheard or ARGV[2] == 'always' or waiting_in(lane) > 0 then ring(lane) end
