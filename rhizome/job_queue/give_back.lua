-- Lets go of entries that could not be scored for no fault of their own: whoever is first takes them, and the delivery does
-- not count. ARGV: scorer, idle time given to them (ms), then per entry: index of its stream, entry id, deliveries
--       before this one
for at = 3, #ARGV, 3 do
  let_go(STREAMS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[1], GIVEN_BACK_BY, ARGV[2], ARGV[at + 2])
end
