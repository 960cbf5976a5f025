-- Renews the leases of entries that this scorer holds, without counting a delivery.
-- ARGV: scorer, then per entry: index of its stream, entry id
-- An entry that another scorer has taken over meanwhile is left to it.
for at = 2, #ARGV, 2 do
  local stream, entry = STREAMS[tonumber(ARGV[at])], ARGV[at + 1]
  if is_held_by(ARGV[1], stream, entry) then redis.call('XCLAIM', stream, GROUP, ARGV[1], 0, entry, 'JUSTID') end
end
