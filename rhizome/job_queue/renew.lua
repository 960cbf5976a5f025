-- Renews the leases of entries that this scorer holds, without counting a delivery.
-- KEYS: interactive stream, batch stream. ARGV: group, scorer, then per entry: stream ('1' or '2'), entry id
-- An entry that another scorer has taken over meanwhile is left to it.
for at = 3, #ARGV, 2 do
  local stream, entry = KEYS[tonumber(ARGV[at])], ARGV[at + 1]
  local mine = redis.pcall('XPENDING', stream, ARGV[1], entry, entry, 1, ARGV[2])
  if not mine.err and #mine > 0 then redis.call('XCLAIM', stream, ARGV[1], ARGV[2], 0, entry, 'JUSTID') end
end
