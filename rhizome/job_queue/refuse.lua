-- Lets go of entries that this scorer cannot score and others may: a version that is not on its disk yet, a file that it
-- does not see. They come back after a while, to others before this one (see reclaim.lua), and the delivery does not count.
-- Others are woken: this one, though it listens, is no help.
-- ARGV: scorer, idle time given to them (ms), for how long refusals are put up with (ms), lane,
--       then per entry: index of its stream, entry id, deliveries before this one, what names it among refusals
-- Returns the ids of the entries that have been refused for longer than that: the scorer keeps them.
local KEPT_SECONDS = 600  -- a refusal is forgotten after this
local kept = {}
for at = 5, #ARGV, 4 do
  local stream, entry, refused = STREAMS[tonumber(ARGV[at])], ARGV[at + 1], REFUSED .. ARGV[at + 3]
  redis.call('SET', refused, now_ms(), 'NX', 'EX', KEPT_SECONDS)
  if now_ms() - redis.call('GET', refused) >= tonumber(ARGV[3]) then
    kept[#kept + 1] = entry
  else
    let_go(stream, entry, ARGV[1], REFUSED_BY, ARGV[2], ARGV[at + 2])
  end
end
local lane = tonumber(ARGV[4])
redis.call('ZREM', LISTENING[lane], ARGV[1])
ring(lane)
return kept
